//! `Remove`: a photo or a person is forgotten.

use std::collections::BTreeSet;

use facerecog_engine::gallery::{EnrolmentReport, Gallery, image_name_of, is_photo, person_of};
use tonic::{Code, Request, Response, Status};

use super::RecognizerService;
use super::enroll::blocking;
use super::proto::remove_request::Target;
use super::proto::{RemoveRequest, RemoveResponse};
use crate::grpc::known_photos::{KnownPhotos, KnownPhotosError};
use crate::grpc::status::refusal;

/// What is left out for its name's sake comes to light when the other of that name is gone; what is left out
/// then, at last.
const ROUNDS: usize = 3;

impl RecognizerService {
    pub(super) async fn remove_photos(
        &self,
        request: Request<RemoveRequest>,
    ) -> Result<Response<RemoveResponse>, Status> {
        let Some(target) = request.into_inner().target else {
            return Err(refusal(Code::InvalidArgument, "no_target", "neither image_name nor person is given"));
        };
        let gallery = self.live.gallery().await?;
        let wanted = target.clone();
        let sources = blocking(move || sources_of(&wanted, &gallery)).await?;
        if sources.is_empty() {
            let message = match &target {
                Target::ImageName(name) => format!("no known photo is named {name:?}"),
                Target::Person(person) => format!("nobody named {person:?} is known"),
            };
            return Err(refusal(Code::NotFound, "not_known", &message));
        }
        // On its own, so that a caller who leaves does not leave the gallery behind the folder.
        let service = self.clone();
        let removed = tokio::spawn(async move { service.remove(target, sources).await });
        removed.await.map_err(|_| Status::internal("the photos were not removed: internal error"))?.map(Response::new)
    }

    async fn remove(&self, target: Target, mut sources: BTreeSet<String>) -> Result<RemoveResponse, Status> {
        let mut image_names = Vec::new();
        for _ in 0..ROUNDS {
            let known = self.changes.known.clone();
            let (deleted, result) = blocking(move || delete(&known, &sources)).await?;
            image_names.extend(deleted);
            // Also after a failure: what was deleted until then must not be recognised.
            let report = self.changes.reindexer.take_up_change().await;
            result?;
            let report = report?;
            sources = match &target {
                Target::Person(person) => left_of(person, &report),
                Target::ImageName(_) => BTreeSet::new(),
            };
            if sources.is_empty() {
                break;
            }
        }
        let generation = self.live.gallery().await?.generation();
        Ok(RemoveResponse { image_names, generation })
    }
}

/// The known photos that are meant, also those that could not be enrolled.
fn sources_of(target: &Target, gallery: &Gallery) -> BTreeSet<String> {
    let rows = (0..gallery.rows()).map(|row| gallery.row(row).source);
    let known = rows.chain(gallery.skipped().map(|skipped| skipped.source));
    let is_meant = |source: &&str| match target {
        Target::ImageName(name) => image_name_of(source) == name,
        Target::Person(person) => person_of(source) == person,
    };
    known.filter(is_meant).map(str::to_owned).collect()
}

/// The photos of a person that an enrolment has come across and left out.
fn left_of(person: &str, report: &EnrolmentReport) -> BTreeSet<String> {
    let left_out = report.skipped.iter().map(|skipped| &skipped.photo);
    left_out.filter(|source| is_photo(image_name_of(source)) && person_of(source) == person).cloned().collect()
}

/// Deletes photos; the names of those that were there, and why it did not go on.
fn delete(known: &KnownPhotos, sources: &BTreeSet<String>) -> (Vec<String>, Result<(), KnownPhotosError>) {
    let mut deleted = Vec::new();
    for source in sources {
        match known.remove(source) {
            Ok(true) => deleted.push(image_name_of(source).to_owned()),
            Ok(false) => {}
            Err(error) => return (deleted, Err(error)),
        }
    }
    (deleted, Ok(()))
}

//! `Enroll`: a photo of a person, checked, kept and known from the answer on.

use std::time::Instant;

use bytes::Bytes;
use facerecog_engine::gallery::{EnrolmentReport, Gallery, image_name_of};
use tonic::{Code, Request, Response, Status};

use super::enrolment_checks::{duplicate, rejection, unlike};
use super::proto::{self, EnrollRequest, EnrollResponse, RejectCode, Rejection};
use super::question::photo_source;
use super::{RecognizerService, answer, known_name};
use crate::grpc::call::{Call, within};
use crate::grpc::known_photos::KnownPhotosError;
use crate::grpc::photo_access::PhotoFile;
use crate::grpc::status::{identify_status, refusal};

/// A photo that was looked at.
#[derive(Debug)]
struct Candidate {
    person: String,
    image_name: String,
    content: Bytes,
    face: Option<proto::Face>,
    rejections: Vec<Rejection>,
}

impl RecognizerService {
    pub(super) async fn enroll_photo(
        &self,
        request: Request<EnrollRequest>,
    ) -> Result<Response<EnrollResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        known_name::check_person(&request.person)?;
        let candidate = within(call.deadline(), self.candidate(request, call.deadline())).await?;
        if !candidate.rejections.is_empty() {
            return Ok(Response::new(candidate.rejected()));
        }
        // On its own, so that a caller who leaves does not leave a photo behind that nobody answers for.
        let service = self.clone();
        let kept = tokio::spawn(async move { service.keep(candidate).await });
        kept.await.map_err(|_| Status::internal("the photo was not enrolled: internal error"))?.map(Response::new)
    }

    async fn candidate(&self, request: EnrollRequest, deadline: Instant) -> Result<Candidate, Status> {
        let place = self.jobs.place(deadline)?;
        let gallery = self.live.gallery().await?;
        let EnrollRequest { person, image_name, photo, allow_unlike } = request;
        let (place, file) = self.photos.fetch(photo_source(photo)?, place).await?;
        let pixels = file.pixels;
        let service = self.clone();
        place.run(deadline, pixels, move |_| service.examine(person, &image_name, file, allow_unlike, &gallery)).await
    }

    /// Decodes: not for the network's threads.
    fn examine(
        &self,
        person: String,
        image_name: &str,
        file: PhotoFile,
        allow_unlike: bool,
        gallery: &Gallery,
    ) -> Result<Candidate, Status> {
        let image_name = known_name::image_name(image_name, &person, &file.content)?;
        let photo = self.photos.decode(&file, &self.engine, 0.0)?;
        let faces = self.engine.embed_faces(&photo).map_err(|error| identify_status(&error.into()))?;
        let mut rejections = self.changes.checks.rejections(&faces);
        if is_taken(&image_name, gallery) {
            rejections.push(duplicate(&image_name));
        }
        if let Some(face) = faces.first().filter(|_| !allow_unlike) {
            let threshold = self.engine.pack().decision().threshold;
            rejections.extend(unlike(&face.embedding, &person, gallery, threshold));
        }
        let face = faces.first().map(|face| answer::face(&face.face, &face.quality));
        Ok(Candidate { person, image_name, content: file.content, face, rejections })
    }

    /// Puts the photo into the known folder and the gallery: into both or into none.
    async fn keep(&self, mut candidate: Candidate) -> Result<EnrollResponse, Status> {
        // Two photos of one name in the folder would both be there, and the gallery would choose. What another
        // call has enrolled since the photo was looked at counts too.
        let taken = self.changes.names.take(&candidate.image_name);
        let (gallery, image_name) = (self.live.gallery().await?, candidate.image_name.clone());
        if taken.is_none() || blocking(move || is_taken(&image_name, &gallery)).await? {
            candidate.rejections.push(duplicate(&candidate.image_name));
            return Ok(candidate.rejected());
        }
        let known = self.changes.known.clone();
        let (person, image_name) = (candidate.person.clone(), candidate.image_name.clone());
        let content = std::mem::take(&mut candidate.content);
        match blocking(move || known.add(&person, &image_name, &content)).await? {
            Ok(()) => {}
            Err(KnownPhotosError::Exists(_)) => {
                candidate.rejections.push(duplicate(&candidate.image_name));
                return Ok(candidate.rejected());
            }
            Err(error) => return Err(error.into()),
        }
        let source = format!("{}/{}", candidate.person, candidate.image_name);
        let refused = match self.enrolled(&source).await {
            Ok(Ok(generation)) => {
                let Candidate { image_name, face, .. } = candidate;
                return Ok(EnrollResponse { enrolled: true, image_name, generation, face, rejections: Vec::new() });
            }
            Ok(Err(rejection)) => Ok(rejection),
            Err(status) => Err(status),
        };
        let known = self.changes.known.clone();
        if let Err(error) = blocking(move || known.remove(&source)).await? {
            tracing::error!(%error, "a photo that was not enrolled stays in the known folder");
        }
        // So that the index does not hold or remember it either. That the photo is not enrolled holds anyway.
        let _ = self.changes.reindexer.take_up_change().await;
        candidate.rejections.push(refused?);
        Ok(candidate.rejected())
    }

    /// Brings the gallery up to date with the photo `source`. The generation that holds it, or why none does.
    async fn enrolled(&self, source: &str) -> Result<Result<u64, Rejection>, Status> {
        let report = self.changes.reindexer.take_up_change().await?;
        let gallery = self.live.gallery().await?;
        let (generation, wanted) = (gallery.generation(), source.to_owned());
        let is_there = blocking(move || (0..gallery.rows()).any(|row| gallery.row(row).source == wanted)).await?;
        if is_there { Ok(Ok(generation)) } else { why_not(source, &report).map(Err) }
    }
}

impl Candidate {
    fn rejected(self) -> EnrollResponse {
        EnrollResponse { enrolled: false, face: self.face, rejections: self.rejections, ..EnrollResponse::default() }
    }
}

/// Whether a known photo, enrolled or not, has this name.
fn is_taken(image_name: &str, gallery: &Gallery) -> bool {
    (0..gallery.rows()).any(|row| gallery.row(row).image_name == image_name)
        || gallery.skipped().any(|skipped| image_name_of(skipped.source) == image_name)
}

/// Why an enrolment left out the photo `source`, which had passed the checks.
fn why_not(source: &str, report: &EnrolmentReport) -> Result<Rejection, Status> {
    let Some(skipped) = report.skipped.iter().find(|skipped| skipped.photo == source) else {
        return Err(refusal(Code::Unavailable, "removed_meanwhile", "the photo was removed while it was enrolled"));
    };
    let code = match skipped.code.as_str() {
        "no_face" => RejectCode::NoFace,
        "duplicate_name" => RejectCode::DuplicateName,
        "unlike_the_person" => RejectCode::UnlikeThePerson,
        _ => return Err(refusal(Code::Internal, &skipped.code, &format!("{source}: {}", skipped.message))),
    };
    Ok(rejection(code, skipped.message.clone()))
}

/// Runs what waits for the disk.
pub(super) async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Status::internal("internal error"))
}

//! `facerecog.Identify`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use facerecog_engine::detect::Face;
use facerecog_engine::embed::Embedding;
use facerecog_engine::gallery::{Gallery, GalleryError};
use facerecog_engine::model::ModelError;
use facerecog_engine::recognizer::{IdentifiedFace, Recognizer};
use rayon::prelude::*;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status};

use super::contract::identify_server::Identify;
use super::contract::{IdentifyRequest, IdentifyResponse};
use super::jobs::Jobs;
use super::live_gallery::{GalleryState, LiveGallery};
use super::photo_access::PhotoAccess;
use super::response::TrailingMetadata;
use super::status::{identify_status, status};
use crate::best_match::{NOT_FOUND, best_match};
use crate::telemetry::{Metrics, Stage};

/// Trailing metadata that says why an answer is `not_found`, when it is not that nobody is known.
const REASON: &str = "facerecog-reason";

/// Names the person on the photo at a path.
#[derive(Debug, Clone)]
pub(super) struct IdentifyService {
    pub(super) recognizer: Arc<Recognizer>,
    pub(super) live: LiveGallery,
    pub(super) jobs: Jobs,
    pub(super) photos: PhotoAccess,
    pub(super) metrics: Metrics,
    /// Longest time a request may take, waiting included.
    pub(super) deadline: Duration,
}

#[tonic::async_trait]
impl Identify for IdentifyService {
    async fn identify(&self, request: Request<IdentifyRequest>) -> Result<Response<IdentifyResponse>, Status> {
        let path = request.into_inner().image_path;
        if path.is_empty() {
            return Ok(answer(NOT_FOUND));
        }
        tokio::time::timeout(self.deadline, self.answer(path)).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!("no answer within {} s", self.deadline.as_secs())))
        })
    }
}

impl IdentifyService {
    async fn answer(&self, path: String) -> Result<Response<IdentifyResponse>, Status> {
        let place = self.jobs.place()?;
        let gallery = match self.live.started().await {
            GalleryState::Ready(gallery) => gallery,
            GalleryState::Missing(reason) => return Err(status(Code::FailedPrecondition, &reason)),
            GalleryState::Starting => return Err(Status::unavailable("the known people are being learned")),
        };
        let service = self.clone();
        let asked = Instant::now();
        let answer_faces = move || {
            service.metrics.stage(Stage::Waiting, asked.elapsed());
            service.faces(path.into(), &gallery)
        };
        let faces = place.run(answer_faces).await??;
        Ok(match best_match(&faces) {
            Some(best) => answer(&best.image_name),
            None if faces.is_empty() => {
                let mut response = answer(NOT_FOUND);
                response.extensions_mut().insert(TrailingMetadata(REASON, MetadataValue::from_static("no_face")));
                response
            }
            None => answer(NOT_FOUND),
        })
    }

    fn faces(&self, path: PathBuf, gallery: &Gallery) -> Result<Vec<IdentifiedFace>, Status> {
        let photo = self.timed(Stage::Decode, || self.photos.open(&path))?;
        let failed = |error: ModelError| identify_status(&error.into());
        let faces = self.timed(Stage::Detect, || self.recognizer.detect(&photo)).map_err(failed)?;
        let embed = |face: Face| self.recognizer.embed(&photo, &face).map(|embedding| (face, embedding));
        let embedded: Vec<_> =
            self.timed(Stage::Embed, || faces.into_par_iter().map(embed).collect::<Result<_, _>>()).map_err(failed)?;
        let name = |(face, embedding): (Face, Embedding)| {
            Ok(IdentifiedFace { face, best: self.recognizer.best_match(&embedding, gallery)? })
        };
        let named = self.timed(Stage::Search, || embedded.into_iter().map(name).collect::<Result<Vec<_>, _>>());
        let faces = named.map_err(|error: GalleryError| identify_status(&error.into()))?;
        self.metrics.recognized(faces.len(), faces.iter().filter(|face| face.best.is_some()).count());
        Ok(faces)
    }

    fn timed<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        self.metrics.stage(stage, began.elapsed());
        result
    }
}

fn answer(image_name: &str) -> Response<IdentifyResponse> {
    Response::new(IdentifyResponse { image_name: image_name.to_owned() })
}

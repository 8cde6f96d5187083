//! `facerecog.Identify`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use facerecog_engine::gallery::Gallery;
use facerecog_engine::recognizer::{IdentifiedFace, Recognizer};
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

/// Longest time a request may take, waiting included.
const DEADLINE: Duration = Duration::from_secs(30);

/// Trailing metadata that says why an answer is `not_found`, when it is not that nobody is known.
const REASON: &str = "facerecog-reason";

/// Names the person on the photo at a path.
#[derive(Debug, Clone)]
pub(super) struct IdentifyService {
    pub(super) recognizer: Arc<Recognizer>,
    pub(super) live: LiveGallery,
    pub(super) jobs: Jobs,
    pub(super) photos: PhotoAccess,
}

#[tonic::async_trait]
impl Identify for IdentifyService {
    async fn identify(&self, request: Request<IdentifyRequest>) -> Result<Response<IdentifyResponse>, Status> {
        let path = request.into_inner().image_path;
        if path.is_empty() {
            return Ok(answer(NOT_FOUND));
        }
        tokio::time::timeout(DEADLINE, self.answer(path))
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("no answer within {} s", DEADLINE.as_secs()))))
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
        let faces = place.run(move || service.faces(path.into(), &gallery)).await??;
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
        let photo = self.photos.open(&path)?;
        self.recognizer.identify(&photo, gallery).map_err(|error| identify_status(&error))
    }
}

fn answer(image_name: &str) -> Response<IdentifyResponse> {
    Response::new(IdentifyResponse { image_name: image_name.to_owned() })
}

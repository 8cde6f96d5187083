//! `facerecog.Identify`.

use std::sync::Arc;

use facerecog_engine::model::DecisionRule;
use facerecog_engine::recognizer::{IdentifiedFace, RecognizeOptions, Recognizer};
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::call::{Call, within};
use super::contract::identify_server::Identify;
use super::contract::{IdentifyRequest, IdentifyResponse};
use super::jobs::Jobs;
use super::live_gallery::LiveGallery;
use super::photo_access::{PhotoAccess, PhotoSource};
use super::recognition::RecognitionJob;
use super::response::TrailingMetadata;
use crate::best_match::{NOT_FOUND, best_match};

/// Trailing metadata that says why an answer is `not_found`, when it is not that nobody is known.
const REASON: &str = "facerecog-reason";

/// Names the person on the photo at a path.
#[derive(Debug, Clone)]
pub(super) struct IdentifyService {
    pub(super) recognizer: Arc<Recognizer>,
    /// How sure a match has to be.
    pub(super) rule: DecisionRule,
    pub(super) live: LiveGallery,
    pub(super) jobs: Jobs,
    pub(super) photos: PhotoAccess,
}

#[tonic::async_trait]
impl Identify for IdentifyService {
    async fn identify(&self, request: Request<IdentifyRequest>) -> Result<Response<IdentifyResponse>, Status> {
        let call = Call::of(&request);
        let path = request.into_inner().image_path;
        if path.is_empty() {
            return Ok(answer(NOT_FOUND));
        }
        within(call.deadline(), self.answer(path, &call)).await
    }
}

impl IdentifyService {
    async fn answer(&self, path: String, call: &Call) -> Result<Response<IdentifyResponse>, Status> {
        let place = self.jobs.place(call.deadline())?;
        let job = RecognitionJob {
            recognizer: Arc::clone(&self.recognizer),
            photos: self.photos.clone(),
            jobs: self.jobs.clone(),
            gallery: self.live.gallery().await?,
            rule: self.rule,
            options: RecognizeOptions::default(),
        };
        let recognized = job.run(PhotoSource::Path(path.into()), place, call.deadline(), ()).await?;
        let faces: Vec<_> = recognized.faces.into_iter().map(IdentifiedFace::from).collect();
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
}

fn answer(image_name: &str) -> Response<IdentifyResponse> {
    Response::new(IdentifyResponse { image_name: image_name.to_owned() })
}

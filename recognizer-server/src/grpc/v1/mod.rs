//! `facerecog.v1.Recognizer`: one file a call.

mod answer;
mod enroll;
mod enrolment_checks;
pub mod fuzzing;
mod get_info;
mod known_name;
mod list_people;
mod names_under_way;
mod question;
mod recognize;
mod recognize_stream;
mod reindex;
mod remove;
mod verify;

use std::pin::Pin;
use std::sync::Arc;

use facerecog_engine::model::DecisionRule;
use facerecog_engine::recognizer::Recognizer as Engine;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::jobs::Jobs;
use super::known_photos::KnownPhotos;
use super::live_gallery::LiveGallery;
use super::photo_access::PhotoAccess;
use super::reindexer::Reindexer;
pub(super) use enrolment_checks::EnrolmentChecks;
pub(super) use names_under_way::NamesUnderWay;
use proto::recognizer_server::{Recognizer, RecognizerServer};

/// Code generated from `proto/facerecog/v1/recognizer.proto`.
pub(crate) mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, rust_2018_idioms)]

    tonic::include_proto!("facerecog.v1");
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers every call of the service.
#[derive(Debug, Clone)]
pub(super) struct RecognizerService {
    pub(super) engine: Arc<Engine>,
    /// How sure a match has to be.
    pub(super) rule: DecisionRule,
    pub(super) live: LiveGallery,
    pub(super) jobs: Jobs,
    pub(super) photos: PhotoAccess,
    pub(super) changes: GalleryChanges,
    /// Largest message of a request, which a photo's content fits into, and of an answer, in bytes.
    pub(super) message_limit: usize,
}

/// What the calls that change the gallery work with.
#[derive(Debug, Clone)]
pub(super) struct GalleryChanges {
    pub(super) known: KnownPhotos,
    pub(super) reindexer: Reindexer,
    pub(super) checks: EnrolmentChecks,
    pub(super) names: NamesUnderWay,
}

impl RecognizerService {
    /// The service as the server takes it. Messages come uncompressed: photos do not become smaller, and
    /// 64 MiB of anything else would be inflated on the network's threads.
    pub(super) fn into_server(self) -> RecognizerServer<Self> {
        let limit = self.message_limit;
        RecognizerServer::new(self).max_decoding_message_size(limit).max_encoding_message_size(limit)
    }
}

#[tonic::async_trait]
impl Recognizer for RecognizerService {
    type RecognizeStreamStream = Answers<proto::RecognizeStreamResponse>;
    type ReindexStream = Answers<proto::ReindexResponse>;

    async fn recognize(
        &self,
        request: Request<proto::RecognizeRequest>,
    ) -> Result<Response<proto::RecognizeResponse>, Status> {
        self.recognize_photo(request).await
    }

    async fn recognize_stream(
        &self,
        request: Request<Streaming<proto::RecognizeStreamRequest>>,
    ) -> Result<Response<Self::RecognizeStreamStream>, Status> {
        self.recognize_photos(request).await
    }

    async fn enroll(&self, request: Request<proto::EnrollRequest>) -> Result<Response<proto::EnrollResponse>, Status> {
        self.enroll_photo(request).await
    }

    async fn remove(&self, request: Request<proto::RemoveRequest>) -> Result<Response<proto::RemoveResponse>, Status> {
        self.remove_photos(request).await
    }

    async fn list_people(
        &self,
        request: Request<proto::ListPeopleRequest>,
    ) -> Result<Response<proto::ListPeopleResponse>, Status> {
        self.list_known_people(request).await
    }

    async fn reindex(&self, request: Request<proto::ReindexRequest>) -> Result<Response<Self::ReindexStream>, Status> {
        self.reindex_known_folder(request).await
    }

    async fn verify(&self, request: Request<proto::VerifyRequest>) -> Result<Response<proto::VerifyResponse>, Status> {
        self.verify_photos(request).await
    }

    async fn get_info(
        &self,
        request: Request<proto::GetInfoRequest>,
    ) -> Result<Response<proto::GetInfoResponse>, Status> {
        self.info(request).await
    }
}

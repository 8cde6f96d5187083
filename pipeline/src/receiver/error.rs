//! Requests that cannot be done, and their answers.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::answer::Form;
use crate::http_server::is_too_slow;
use crate::store::StoreError;
use crate::upload_folder::UploadError;

/// Why a request is not done. Nothing is stored then.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("got error while decoding {of}: {reason}")]
    Json { of: &'static str, reason: String },
    #[error("got error while decoding body: it did not come whole: {reason}")]
    Cut { reason: String },
    #[error("the body came too slowly")]
    SlowBody,
    #[error("the body is larger than {limit} bytes: send photos in several batches")]
    LargeBody { limit: usize },
    #[error("{place}: {problem}")]
    Path { place: String, problem: PathProblem },
    #[error("the batch is empty: give {{\"paths\":[{{\"path\":\"…\"}},…]}}")]
    EmptyBatch,
    #[error("a batch of {photos} photos: {most} are the most, send them in several")]
    LargeBatch { photos: usize, most: usize },
    #[error("the receiver takes no photos, paths alone: it was started without an upload folder")]
    NoUploads,
    #[error("the body is no form with photos: send multipart/form-data: {reason}")]
    NotAForm { reason: String },
    #[error("the form holds no photo: a field with a file name is one")]
    NoPhoto,
    #[error("{name}: {error}")]
    Photo { name: String, error: UploadError },
    #[error("got error while saving image: {0}; moving on to next...")]
    Store(#[from] StoreError),
    #[error("no such route: POST /image/post, POST /images/post and POST /images are")]
    NotFound,
    #[error("the route takes POST alone")]
    WrongMethod,
    #[error("the request took longer than {seconds} s")]
    Slow { seconds: u64 },
    #[error("the receiver failed: see its log")]
    Broken,
}

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathProblem {
    #[error("the path is empty")]
    Empty,
    #[error("the path holds a NUL, and names no file")]
    Nul,
    #[error("the path has {characters} characters: {most} are the most")]
    Long { characters: usize, most: usize },
}

impl RequestError {
    /// Status, and a name for programs.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Json { .. } => (StatusCode::BAD_REQUEST, "bad_json"),
            Self::Cut { .. } => (StatusCode::BAD_REQUEST, "cut_body"),
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "slow_body"),
            Self::LargeBody { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "large_body"),
            Self::Path { problem: PathProblem::Empty, .. } => (StatusCode::BAD_REQUEST, "empty_path"),
            Self::Path { problem: PathProblem::Nul, .. } => (StatusCode::BAD_REQUEST, "nul_in_path"),
            Self::Path { problem: PathProblem::Long { .. }, .. } => (StatusCode::BAD_REQUEST, "long_path"),
            Self::EmptyBatch => (StatusCode::BAD_REQUEST, "empty_batch"),
            Self::LargeBatch { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "large_batch"),
            Self::NoUploads => (StatusCode::NOT_FOUND, "no_uploads"),
            Self::NotAForm { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_form"),
            Self::NoPhoto => (StatusCode::BAD_REQUEST, "no_photo"),
            Self::Photo { error: UploadError::NotAPhoto, .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_photo"),
            Self::Photo { error: UploadError::TooLarge { .. }, .. } => (StatusCode::PAYLOAD_TOO_LARGE, "large_photo"),
            Self::Photo { error: UploadError::Cut(error), .. } => match error.status() {
                _ if is_too_slow(error) => (StatusCode::REQUEST_TIMEOUT, "slow_body"),
                StatusCode::PAYLOAD_TOO_LARGE => (StatusCode::PAYLOAD_TOO_LARGE, "large_body"),
                _ => (StatusCode::BAD_REQUEST, "cut_body"),
            },
            Self::Photo { error: UploadError::Io(_), .. } => (StatusCode::INTERNAL_SERVER_ERROR, "not_stored"),
            Self::Store(error) if error.is_temporary() => (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable"),
            Self::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "database"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method"),
            Self::Slow { .. } => (StatusCode::REQUEST_TIMEOUT, "slow_request"),
            Self::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "broken"),
        }
    }

    pub(super) fn answer(&self, form: Form) -> Response {
        let (status, code) = self.kind();
        if status.is_server_error() {
            tracing::error!(error = %self, "a request could not be done");
        }
        let mut response = match form {
            Form::Text => (status, self.to_string()).into_response(),
            Form::Json => {
                (status, Json(json!({ "error": { "code": code, "message": self.to_string() } }))).into_response()
            }
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

//! How long requests may take.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;

use super::answer::Form;
use super::error::RequestError;

/// Longest request with paths, waiting for its turn included.
pub(super) const PATHS: Duration = Duration::from_secs(30);

/// Longest request with photos.
pub(super) const PHOTOS: Duration = Duration::from_secs(300);

/// Ends a request that takes longer: a layer of a router.
pub(super) async fn limit(State(longest): State<Duration>, request: Request, next: Next) -> Response {
    let form = Form::of(request.headers());
    match timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => RequestError::Slow { seconds: longest.as_secs() }.answer(form),
    }
}

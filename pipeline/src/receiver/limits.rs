//! How many requests are done at a time, and for how long.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::Form;
use super::error::RequestError;

/// Bounds for the requests of some routes together: their bodies are in memory, or files are open.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    places: Arc<Semaphore>,
    /// Waiting for a place included.
    time: Duration,
}

impl Limits {
    pub(super) fn for_paths() -> Self {
        Self { places: Arc::new(Semaphore::new(32)), time: Duration::from_secs(30) }
    }

    pub(super) fn for_photos() -> Self {
        Self { places: Arc::new(Semaphore::new(16)), time: Duration::from_secs(300) }
    }
}

/// Lets a request through when there is a place for it.
pub(super) async fn limit(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let form = Form::of(request.headers());
    let answer = async {
        let _place = limits.places.acquire().await;
        next.run(request).await
    };
    match timeout(limits.time, answer).await {
        Ok(response) => response,
        Err(_) => RequestError::Slow { seconds: limits.time.as_secs() }.answer(form),
    }
}

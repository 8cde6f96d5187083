//! Bodies of requests that must come at some pace.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// How long nothing may come. What has been waited for is made up for by what comes after.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pace at which waiting is made up for, in bytes a second: a quarter of what a bad telephone line sends.
const PACE: u32 = 16 << 10;

/// A body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("it came more slowly than {PACE} bytes a second")]
struct TooSlow;

/// Whether `error` says that a body came too slowly.
pub(crate) fn is_too_slow(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| error.is::<TooSlow>())
}

/// A body that fails once it has been waited for too long. Only waiting counts: whoever reads it may take any time.
#[derive(Debug)]
pub(super) struct Paced {
    body: Body,
    patience: Duration,
    /// Since when it is waited for, and until when.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Paced {
    pub(super) fn new(body: Body) -> Self {
        Self { body, patience: PATIENCE, waiting: None }
    }

    fn came(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.patience = self.patience.saturating_sub(since.elapsed());
        }
        let made_up = Duration::from_secs_f64(bytes as f64 / f64::from(PACE));
        self.patience = (self.patience + made_up).min(PATIENCE);
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            self.came(bytes);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = self.patience;
        let (_, end) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(patience))));
        ready!(end.as_mut().poll(context));
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! Bodies with paths, which are in memory: up to a limit each, and so many of them.

use std::ops::Deref;
use std::sync::Arc;

use axum::body::Body;
use bytes::BytesMut;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::RequestError;
use crate::http_server::is_too_slow;

/// Bytes that each connection may have in memory. Only bodies that grow beyond wait for others, so that a client that
/// sends large ones, or begins them and goes no further, stops nobody who sends a few paths.
const SMALL: usize = 64 << 10;

/// Larger bodies at once.
const LARGE_BODIES: usize = 16;

/// Bodies at once that are read as JSON and stored, which takes several times their size. None that is still coming is
/// among them.
const STORED_AT_ONCE: usize = 32;

/// Bytes that are read and forgotten after a body has become too large: a client that sends first and listens then
/// hears the answer, where hanging up at once would cut it off.
const MAX_FORGOTTEN: usize = 64 << 20;

/// The bodies of all requests.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    limit: usize,
    large: Arc<Semaphore>,
    stored: Arc<Semaphore>,
}

/// A body that has come whole, until its request is done.
#[derive(Debug)]
pub(super) struct Arrived {
    bytes: BytesMut,
    _large: Option<OwnedSemaphorePermit>,
    _stored: Option<OwnedSemaphorePermit>,
}

impl Deref for Arrived {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    /// Of at most `limit` bytes each.
    pub(super) fn new(limit: usize) -> Self {
        let (large, stored) = (Semaphore::new(LARGE_BODIES), Semaphore::new(STORED_AT_ONCE));
        Self { limit, large: Arc::new(large), stored: Arc::new(stored) }
    }

    /// The whole body, when its turn has come.
    pub(super) async fn read(&self, mut body: Body) -> Result<Arrived, RequestError> {
        let mut bytes = BytesMut::new();
        let mut length = 0_usize;
        let mut large = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(cut)?;
            let Ok(data) = frame.into_data() else { continue };
            length += data.len();
            if length > MAX_FORGOTTEN.max(self.limit) {
                break;
            }
            if length > self.limit {
                (bytes, large) = (BytesMut::new(), None);
                continue;
            }
            if length > SMALL && large.is_none() {
                large = Arc::clone(&self.large).acquire_owned().await.ok();
            }
            bytes.extend_from_slice(&data);
        }
        if length > self.limit {
            return Err(RequestError::LargeBody { limit: self.limit });
        }
        let stored = Arc::clone(&self.stored).acquire_owned().await.ok();
        Ok(Arrived { bytes, _large: large, _stored: stored })
    }
}

fn cut(error: axum::Error) -> RequestError {
    if is_too_slow(&error) { RequestError::SlowBody } else { RequestError::Cut { reason: error.to_string() } }
}

//! The gallery in use, swapped whole while requests go on.

use std::sync::Arc;
use std::time::Duration;

use facerecog_engine::gallery::Gallery;
use tokio::sync::watch;
use tonic::{Code, Status};

use super::status::{busy, refusal};

/// When a caller may try again who came while the known people are being learned.
const WHILE_STARTING: Duration = Duration::from_secs(1);

/// What requests are answered from.
#[derive(Debug, Clone)]
pub(super) enum GalleryState {
    /// The known people are being learned for the first time.
    Starting,
    /// There are neither known people nor an index; the text says what is missing.
    Missing(String),
    /// Requests are answered from this.
    Ready(Arc<Gallery>),
}

/// Shared by the watcher, which replaces the gallery, and the requests, which read it.
#[derive(Debug, Clone)]
pub(super) struct LiveGallery(watch::Sender<GalleryState>);

impl LiveGallery {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(GalleryState::Starting))
    }

    /// Replaces what requests are answered from; those under way keep what they began with.
    pub(super) fn set(&self, state: GalleryState) {
        self.0.send_replace(state);
    }

    /// The state now.
    pub(super) fn state(&self) -> GalleryState {
        self.0.borrow().clone()
    }

    /// Follows the state, beginning with the one now.
    pub(super) fn subscribe(&self) -> watch::Receiver<GalleryState> {
        let mut receiver = self.0.subscribe();
        receiver.mark_changed();
        receiver
    }

    /// The state once the known people have been learned for the first time.
    pub(super) async fn started(&self) -> GalleryState {
        let mut receiver = self.0.subscribe();
        match receiver.wait_for(|state| !matches!(state, GalleryState::Starting)).await {
            Ok(state) => state.clone(),
            Err(_) => self.state(),
        }
    }

    /// The gallery, once the known people have been learned for the first time; FAILED_PRECONDITION when
    /// there is none.
    pub(super) async fn gallery(&self) -> Result<Arc<Gallery>, Status> {
        match self.started().await {
            GalleryState::Ready(gallery) => Ok(gallery),
            GalleryState::Missing(reason) => Err(refusal(Code::FailedPrecondition, "no_gallery", &reason)),
            GalleryState::Starting => {
                Err(busy("starting", "the known people are being learned; try again", WHILE_STARTING))
            }
        }
    }
}

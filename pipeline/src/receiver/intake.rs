//! Paths into database and queue.

use tempfile::TempPath;

use super::Metrics;
use super::error::RequestError;
use crate::image::ImageId;
use crate::queue::Publisher;
use crate::store::{Added, Store, StoreError};
use crate::upload_folder::add_rows;

/// The way in.
#[derive(Debug, Clone)]
pub(super) struct Intake {
    store: Store,
    publisher: Publisher,
    metrics: Metrics,
}

/// What became of photos.
#[derive(Debug)]
pub(super) struct Taken {
    /// In their order.
    pub(super) photos: Vec<TakenPhoto>,
    /// Why the queue does not have those that were saved; it gets them from the outbox.
    pub(super) queue_error: Option<String>,
}

#[derive(Debug)]
pub(super) struct TakenPhoto {
    pub(super) path: String,
    pub(super) added: Added,
}

impl Intake {
    pub(super) fn new(store: Store, publisher: Publisher, metrics: Metrics) -> Self {
        Self { store, publisher, metrics }
    }

    /// Stores paths, all or none, and queues them. What has begun ends, whether or not somebody waits for it.
    pub(super) async fn take(&self, paths: Vec<String>) -> Result<Taken, RequestError> {
        let intake = self.clone();
        ended(tokio::spawn(async move { Ok(intake.run(paths).await?) })).await
    }

    /// As [`take`](Self::take), with photos that were sent: they stay unless their paths are surely not stored.
    pub(super) async fn take_photos(&self, photos: Vec<TempPath>) -> Result<Taken, RequestError> {
        let intake = self.clone();
        ended(tokio::spawn(async move {
            let added = add_rows(&intake.store, photos).await?;
            Ok(intake.queue(intake.counted(added)).await)
        }))
        .await
    }

    async fn run(&self, paths: Vec<String>) -> Result<Taken, StoreError> {
        let added = self.store.add_images(&paths).await?;
        Ok(self.queue(self.counted(paths.into_iter().zip(added))).await)
    }

    fn counted(&self, added: impl IntoIterator<Item = (String, Added)>) -> Vec<TakenPhoto> {
        let photos: Vec<_> = added.into_iter().map(|(path, added)| TakenPhoto { path, added }).collect();
        let saved = saved(&photos).count();
        self.metrics.took(saved, photos.len() - saved);
        photos
    }

    async fn queue(&self, photos: Vec<TakenPhoto>) -> Taken {
        let ids: Vec<_> = saved(&photos).collect();
        let queue_error = match self.publisher.publish(&ids).await {
            Ok(()) => {
                if let Err(error) = self.store.queued(&ids).await {
                    tracing::warn!(%error, "queued, and in the outbox still: will be queued twice");
                }
                None
            }
            Err(error) => {
                self.metrics.queue_failed();
                tracing::warn!(%error, photos = ids.len(), "left in the outbox");
                Some(error.to_string())
            }
        };
        Taken { photos, queue_error }
    }
}

fn saved(photos: &[TakenPhoto]) -> impl Iterator<Item = ImageId> {
    photos.iter().filter_map(|photo| photo.added.saved())
}

async fn ended(task: tokio::task::JoinHandle<Result<Taken, RequestError>>) -> Result<Taken, RequestError> {
    task.await.unwrap_or_else(|error| {
        tracing::error!(%error, "the intake failed");
        Err(RequestError::Broken)
    })
}

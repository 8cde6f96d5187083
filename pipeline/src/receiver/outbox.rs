//! Photos that are stored and not queued.

use std::time::Duration;

use super::Metrics;
use crate::queue::{Publisher, QueueError};
use crate::store::{Store, StoreError};
use crate::telemetry::Stop;

/// How often the outbox is looked into.
const PAUSE: Duration = Duration::from_secs(1);

/// Age from which a photo is taken out of the outbox: younger ones are being queued by who stored them.
const AGE: Duration = Duration::from_secs(2);

/// Most photos that are queued with one message.
const BATCH: u32 = 1000;

/// Queues what whoever stored it could not queue. Several of them may work on one outbox: a photo that is queued twice
/// is processed once.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
    publisher: Publisher,
    metrics: Metrics,
}

#[derive(Debug, thiserror::Error)]
enum OutboxError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Outbox {
    /// The outbox of `store`, for `publisher`.
    pub fn new(store: Store, publisher: Publisher, metrics: Metrics) -> Self {
        Self { store, publisher, metrics }
    }

    /// Queues what is in it, until `stop`.
    pub async fn run(self, stop: Stop) {
        let stop = stop.wait();
        tokio::pin!(stop);
        let mut failing = false;
        loop {
            tokio::select! {
                () = &mut stop => return,
                emptied = self.empty() => match emptied {
                    Ok(()) => failing = false,
                    Err(error) if failing => tracing::debug!(%error, "the outbox cannot be emptied still"),
                    Err(error) => {
                        failing = true;
                        tracing::warn!(%error, "the outbox cannot be emptied: tried again every second");
                    }
                }
            }
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn empty(&self) -> Result<(), OutboxError> {
        loop {
            let ids = self.store.unqueued(AGE, BATCH).await?;
            if ids.is_empty() {
                return Ok(());
            }
            self.publisher.publish(&ids).await?;
            self.store.queued(&ids).await?;
            self.metrics.queued_late(ids.len());
            tracing::info!(photos = ids.len(), "queued from the outbox");
        }
    }
}

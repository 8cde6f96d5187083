//! Gives photos that failed, or hang, another try.
//!
//! A photo that FAILED becomes PENDING again after a delay that grows with its tries, until it has had them all. One
//! that is PROCESSING although its lease has ended, or PENDING although its message must be lost, is queued again, too.

mod metrics;

use std::future::Future;
use std::time::Duration;

pub use metrics::Metrics;

use crate::queue::{Publisher, QueueError};
use crate::store::{RedeemPolicy, Store, StoreError};

/// Photos that are given another try with one transaction and one message to the queue.
const BATCH: u32 = 1000;

/// Why photos could not be given another try. Those that are in the outbox already are queued by the receiver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedeemError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A redeemer.
#[derive(Debug, Clone)]
pub struct Redeemer {
    store: Store,
    publisher: Publisher,
    policy: RedeemPolicy,
    metrics: Metrics,
}

impl Redeemer {
    /// Takes photos from `store` and queues them with `publisher`.
    pub fn new(store: Store, publisher: Publisher, policy: RedeemPolicy, metrics: Metrics) -> Self {
        Self { store, publisher, policy, metrics }
    }

    /// Gives every photo whose time has come another try. How many there were.
    ///
    /// # Errors
    /// When database or queue failed; photos until then have their try.
    pub async fn redeem(&self) -> Result<u64, RedeemError> {
        let ended = self.redeem_all().await;
        self.metrics.looked(&ended);
        ended
    }

    async fn redeem_all(&self) -> Result<u64, RedeemError> {
        let mut redeemed = 0;
        loop {
            let ids = self.store.redeem(&self.policy, BATCH).await?;
            if ids.is_empty() {
                return Ok(redeemed);
            }
            // In the outbox they are, whatever the queue says.
            self.metrics.redeemed(ids.len());
            self.publisher.publish(&ids).await?;
            self.store.queued(&ids).await?;
            redeemed += ids.len() as u64;
            if ids.len() < BATCH as usize {
                return Ok(redeemed);
            }
        }
    }

    /// Redeems every `pause`, until `stop`. Errors are logged, and what failed is tried again.
    pub async fn run(self, pause: Duration, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                redeemed = self.redeem() => match redeemed {
                    Ok(0) => {}
                    Ok(photos) => tracing::info!(photos, "given another try"),
                    Err(error) => tracing::warn!(%error, "photos could not be given another try"),
                },
            }
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

//! Takes ids from the queue, asks the recognizer who is on the photo, and settles the row.
//!
//! A message is finished only when its row is settled, and comes again otherwise. A row is claimed by one conditional
//! update, so that many processors, and the original's beside them, share the work. Photos that meet a recognizer that
//! is not well go back to the queue as if they had not been tried.

mod backoff;
mod breaker;
mod circuit;
mod metrics;
mod patience;
mod photo;
mod suspects;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use breaker::{Breaker, BreakerPolicy, CallOutcome, CircuitState, Permit};
pub use metrics::Metrics;

use crate::image::ImageId;
use crate::queue::{Consumer, Delivery};
use crate::recognizer::Recognizer;
use crate::store::{Claim, Store};
use backoff::backoff;
use circuit::Circuit;
use metrics::MessageEnd;
use photo::{Outcome, Photo};
use suspects::Suspects;

/// How often the queue and the database are told that a photo is still being worked on. NSQ gives a message 60 seconds
/// by default.
const STILL_HERE: Duration = Duration::from_secs(15);

/// How a processor works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessorPolicy {
    /// Photos under way at once.
    pub concurrency: usize,
    /// How long a claim holds without word from its processor.
    pub lease: Duration,
    /// When calls to the recognizer are blocked.
    pub breaker: BreakerPolicy,
    /// How long photos under way may take to be settled when the processor stops.
    pub grace: Duration,
}

/// A processor.
#[derive(Debug, Clone)]
pub struct Processor {
    store: Store,
    recognizer: Recognizer,
    policy: ProcessorPolicy,
    circuit: Circuit,
    suspects: Arc<Suspects>,
    metrics: Metrics,
}

impl Processor {
    /// A processor at rest.
    pub fn new(store: Store, recognizer: Recognizer, policy: ProcessorPolicy, metrics: Metrics) -> Self {
        let circuit = Circuit::new(policy.breaker, metrics.clone());
        Self { store, recognizer, policy, circuit, suspects: Arc::default(), metrics }
    }

    /// Works on what `consumer` gives until `stop`, then settles what is under way.
    pub async fn run(self, mut consumer: Consumer, stop: impl Future<Output = ()> + Send) {
        let places = Arc::new(Semaphore::new(self.policy.concurrency.max(1)));
        let mut under_way = JoinSet::new();
        let probing = tokio::spawn(self.circuit.clone().probe(self.recognizer.clone()));
        tokio::pin!(stop);
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, consumer.next().await)
            };
            let (place, delivery) = tokio::select! {
                () = &mut stop => break,
                next = next => next,
            };
            while under_way.try_join_next().is_some() {}
            let processor = self.clone();
            under_way.spawn(async move {
                processor.handle(delivery).await;
                drop(place);
            });
        }
        while under_way.try_join_next().is_some() {}
        tracing::info!(photos = under_way.len(), "stopping: photos under way are settled first");
        let settled = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(self.policy.grace, settled).await.is_err() {
            tracing::warn!("photos under way were given up; the redeemer gives them another try");
        }
        probing.abort();
    }

    /// Works on one message and gives it its end.
    async fn handle(&self, delivery: Delivery) {
        self.metrics.began();
        let end = match delivery.id {
            Some(id) => self.handle_photo(id, delivery).await,
            None => {
                tracing::warn!("a message holds no id: dropped");
                delivery.finish().await;
                MessageEnd::Empty
            }
        };
        self.metrics.ended(end);
    }

    async fn handle_photo(&self, id: ImageId, delivery: Delivery) -> MessageEnd {
        let attempts = delivery.attempts;
        let leave = match self.circuit.permit() {
            Ok(leave) => leave,
            Err(wait) => {
                // Spread, so that they do not all come back to a recognizer that has just recovered.
                delivery.requeue(wait + wait.mul_f64(0.5 * fastrand::f64())).await;
                return MessageEnd::Blocked;
            }
        };
        let image = match self.store.claim(id, self.policy.lease).await {
            Ok(Claim::Claimed(image)) => image,
            Ok(Claim::Taken) => {
                delivery.finish().await;
                return MessageEnd::Taken;
            }
            Ok(Claim::NotYet(wait)) => {
                delivery.requeue(wait).await;
                return MessageEnd::Early;
            }
            Ok(Claim::Missing) => {
                tracing::warn!(%id, "a message names a photo that is not in the database: dropped");
                delivery.finish().await;
                return MessageEnd::Empty;
            }
            Err(error) => {
                tracing::warn!(%id, %error, "a photo could not be claimed");
                delivery.requeue(backoff(attempts)).await;
                return MessageEnd::Returned;
            }
        };
        let photo = Photo { processor: self, image };
        let outcome = {
            let work = photo.settle(leave);
            tokio::pin!(work);
            let mut still_here = tokio::time::interval(STILL_HERE.min(self.policy.lease / 3));
            still_here.tick().await;
            loop {
                tokio::select! {
                    outcome = &mut work => break outcome,
                    _ = still_here.tick() => {
                        delivery.touch().await;
                        photo.extend().await;
                    }
                }
            }
        };
        match outcome {
            Outcome::Settled(end) => {
                delivery.finish().await;
                end
            }
            Outcome::Returned => {
                delivery.requeue(backoff(attempts)).await;
                MessageEnd::Returned
            }
        }
    }
}

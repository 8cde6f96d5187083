//! The numbers of a receiver.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::telemetry::{Requests, Results};

/// Upper bounds of the classes of durations, in seconds: from one path to a large batch, or a photo over a slow line.
const REQUEST_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0];

/// Counts what a receiver does. Clones count into the same numbers.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    requests: Requests,
    photos: Results,
    queue_failures: Counter,
    queued_late: Counter,
}

impl Metrics {
    /// All numbers at 0, in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("facerecog_receiver");
        let requests = Requests::register(registry, REQUEST_SECONDS);
        let photos =
            Results::register(registry, "photos", "Photos, by what became of them", ["saved", "already_there"]);
        let queue_failures = Counter::default();
        registry.register("queue_failures", "Requests whose photos were left in the outbox", queue_failures.clone());
        let queued_late = Counter::default();
        registry.register("queued_late", "Photos that were queued from the outbox", queued_late.clone());
        Self(Arc::new(Numbers { requests, photos, queue_failures, queued_late }))
    }

    pub(super) fn requests(&self) -> Requests {
        self.0.requests.clone()
    }

    pub(super) fn took(&self, saved: usize, already_there: usize) {
        self.0.photos.add("saved", saved);
        self.0.photos.add("already_there", already_there);
    }

    pub(super) fn queue_failed(&self) {
        self.0.queue_failures.inc();
    }

    pub(super) fn queued_late(&self, photos: usize) {
        self.0.queued_late.inc_by(photos as u64);
    }
}

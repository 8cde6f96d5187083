//! The numbers of a receiver.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::telemetry::Requests;

/// Upper bounds of the classes of durations, in seconds: from one path to a large batch, or a photo over a slow line.
const REQUEST_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// Counts what a receiver does. Clones count into the same numbers.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    requests: Requests,
    photos: Family<ResultLabels, Counter>,
    queue_failures: Counter,
    queued_late: Counter,
}

impl Metrics {
    /// All numbers at 0, in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("facerecog_receiver");
        let requests = Requests::register(registry, REQUEST_SECONDS);
        let photos: Family<ResultLabels, Counter> = Family::default();
        for result in ["saved", "already_there"] {
            drop(photos.get_or_create(&ResultLabels { result }));
        }
        registry.register("photos", "Photos, by what became of them", photos.clone());
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
        for (result, photos) in [("saved", saved), ("already_there", already_there)] {
            self.0.photos.get_or_create(&ResultLabels { result }).inc_by(photos as u64);
        }
    }

    pub(super) fn queue_failed(&self) {
        self.0.queue_failures.inc();
    }

    pub(super) fn queued_late(&self, photos: usize) {
        self.0.queued_late.inc_by(photos as u64);
    }
}

//! The numbers of a frontend.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::telemetry::Requests;

/// Upper bounds of the classes of durations, in seconds: from an icon to the picture of a large photo.
const REQUEST_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0];

/// Counts what a frontend does. Clones count into the same numbers.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    requests: Requests,
    uploads: Counter,
    retries: Counter,
}

impl Metrics {
    /// All numbers at 0, in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("facerecog_frontend");
        let requests = Requests::register(registry, REQUEST_SECONDS);
        let uploads = Counter::default();
        registry.register("uploads", "Photos that were sent from the page", uploads.clone());
        let retries = Counter::default();
        registry.register("retries", "Photos that were given another try from the page", retries.clone());
        Self(Arc::new(Numbers { requests, uploads, retries }))
    }

    pub(super) fn requests(&self) -> Requests {
        self.0.requests.clone()
    }

    pub(super) fn uploaded(&self, photos: usize) {
        self.0.uploads.inc_by(photos as u64);
    }

    pub(super) fn retried(&self) {
        self.0.retries.inc();
    }
}

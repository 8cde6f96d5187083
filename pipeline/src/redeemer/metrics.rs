//! The numbers of a redeemer.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::telemetry::Results;

/// Counts what a redeemer does. Clones count into the same numbers.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    looks: Results,
    photos: Counter,
}

impl Metrics {
    /// All numbers at 0, in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("facerecog_redeemer");
        let help = "Times that photos were looked for, by how that ended";
        let looks = Results::register(registry, "looks", help, ["done", "failed"]);
        let photos = Counter::default();
        registry.register("photos", "Photos that were given another try", photos.clone());
        Self(Arc::new(Numbers { looks, photos }))
    }

    pub(super) fn looked<T, E>(&self, ended: &Result<T, E>) {
        self.0.looks.add(if ended.is_ok() { "done" } else { "failed" }, 1);
    }

    pub(super) fn redeemed(&self, photos: usize) {
        self.0.photos.inc_by(photos as u64);
    }
}

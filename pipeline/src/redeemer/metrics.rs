//! The numbers of a redeemer.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// Counts what a redeemer does. Clones count into the same numbers.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    looks: Family<ResultLabels, Counter>,
    photos: Counter,
}

impl Metrics {
    /// All numbers at 0, in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("facerecog_redeemer");
        let looks: Family<ResultLabels, Counter> = Family::default();
        for result in ["done", "failed"] {
            drop(looks.get_or_create(&ResultLabels { result }));
        }
        registry.register("looks", "Times that photos were looked for, by how that ended", looks.clone());
        let photos = Counter::default();
        registry.register("photos", "Photos that were given another try", photos.clone());
        Self(Arc::new(Numbers { looks, photos }))
    }

    pub(super) fn looked<T, E>(&self, ended: &Result<T, E>) {
        let result = if ended.is_ok() { "done" } else { "failed" };
        self.0.looks.get_or_create(&ResultLabels { result }).inc();
    }

    pub(super) fn redeemed(&self, photos: usize) {
        self.0.photos.inc_by(photos as u64);
    }
}

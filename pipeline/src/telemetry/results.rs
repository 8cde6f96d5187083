//! Numbers of what ended in one of a few ways.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    result: &'static str,
}

/// Counts by `result`. Clones count into the same numbers.
#[derive(Debug, Clone)]
pub(crate) struct Results(Family<Labels, Counter>);

impl Results {
    /// All of `results` at 0, in `registry`.
    pub(crate) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        results: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let family = Family::<Labels, Counter>::default();
        for result in results {
            drop(family.get_or_create(&Labels { result }));
        }
        registry.register(name, help, family.clone());
        Self(family)
    }

    /// Counts `number` more that ended so.
    pub(crate) fn add(&self, result: &'static str, number: usize) {
        self.0.get_or_create(&Labels { result }).inc_by(number as u64);
    }
}

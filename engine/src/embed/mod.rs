//! Aligned crop → embedding.

mod embedder;
mod metric;
mod template;

pub use embedder::Embedder;
pub use metric::{Metric, distance, similarity};
pub use template::template;

/// What an embedder says of a face, prepared for [`distance`].
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Takes a network's output and prepares it for `metric`.
    pub fn new(mut values: Vec<f32>, metric: Metric) -> Self {
        metric.normalize(&mut values);
        Self(values)
    }

    /// Takes what [`Self::values`] gave.
    pub(crate) fn prepared(values: Vec<f32>) -> Self {
        Self(values)
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        &self.0
    }
}

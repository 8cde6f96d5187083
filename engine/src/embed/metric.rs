//! How two embeddings are compared.

use serde::{Deserialize, Serialize};

/// The measure an embedder was trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Euclidean distance of the embeddings as the network gives them.
    Euclidean,
    /// Euclidean distance of the embeddings scaled to length 1, a function of their cosine.
    Cosine,
}

impl Metric {
    /// Prepares a network's output for [`distance`]: scales it to length 1 for [`Metric::Cosine`].
    pub fn normalize(self, embedding: &mut [f32]) {
        if self == Self::Cosine {
            let norm = embedding.iter().map(|v| v * v).sum::<f32>().sqrt();
            if norm > 0.0 {
                embedding.iter_mut().for_each(|v| *v /= norm);
            }
        }
    }
}

/// Euclidean distance of two prepared embeddings, 0 for the same face; 0…2 for unit length.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}

/// The similarity that belongs to a distance: `1 − d²/2`, which is the cosine for unit length.
/// 1 for the same face, falling with distance, for either metric.
pub fn similarity(distance: f32) -> f32 {
    1.0 - distance * distance / 2.0
}

//! When two embeddings are of the same person.

use serde::Deserialize;

/// A pack's threshold, and how likely a distance means the same person.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Two faces are of the same person when the distance of their embeddings is below this.
    pub threshold: f32,
    /// The logistic map from distance to probability.
    pub probability: Logistic,
}

impl Decision {
    /// Whether `distance` means the same person.
    pub fn same(&self, distance: f32) -> bool {
        distance < self.threshold
    }
}

/// Probability as a logistic function of distance, fitted to labelled pairs of which half are of
/// the same person.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logistic {
    /// The distance at which both are equally likely.
    pub midpoint: f32,
    /// How fast the log-odds fall with distance, per unit.
    pub slope: f32,
}

impl Logistic {
    /// Probability that two faces at `distance` are of the same person, 0…1.
    pub fn probability(&self, distance: f32) -> f32 {
        1.0 / (1.0 + ((distance - self.midpoint) * self.slope).exp())
    }
}

//! From a measurement to what it does to the odds of a match.

/// How much a measurement takes from the logarithm of the odds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// From here on, nothing.
    pub(super) good: f32,
    /// From here on, all of `weight`; between both, in proportion. May be above or below `good`.
    pub(super) bad: f32,
    pub(super) weight: f32,
}

impl Scale {
    /// 0…`weight`. What is no number is as bad as can be.
    pub(super) fn loss(&self, measured: f32) -> f32 {
        let share = (self.good - measured) / (self.good - self.bad);
        self.weight * if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) }
    }
}

/// What the odds are multiplied by.
pub(super) fn factor(loss: f32) -> f32 {
    (-loss).exp()
}

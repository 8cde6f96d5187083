//! The tail of a distribution beyond the values that were seen.

/// A generalised Pareto distribution, which the excesses over a high threshold follow for nearly every distribution
/// (J. Pickands, 1975).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tail {
    /// Below 0 the tail ends; at 0 it is exponential.
    pub(crate) shape: f64,
    pub(crate) scale: f64,
}

/// Fewer excesses tell nothing of their tail.
const LEAST_EXCESSES: usize = 50;

impl Tail {
    /// Fits to excesses and their weights, the largest excess first, by probability-weighted moments (J. R. M. Hosking
    /// and J. R. Wallis, 1987), which has a closed form and therefore one answer. `None` for too few.
    pub(crate) fn fit(excesses: impl Iterator<Item = (f64, f64)>) -> Option<Self> {
        let excesses: Vec<(f64, f64)> = excesses.filter(|(_, weight)| *weight > 0.0).collect();
        if excesses.len() < LEAST_EXCESSES {
            return None;
        }
        let total: f64 = excesses.iter().map(|(_, weight)| weight).sum();
        // Mean, and mean weighted by the share of excesses that are larger; 0.35 is Hosking and Wallis's choice.
        let (mut mean, mut weighted, mut larger) = (0.0, 0.0, 0.0);
        for (excess, weight) in excesses {
            mean += excess * weight / total;
            weighted += excess * weight * ((larger + 0.35 * weight) / total) / total;
            larger += weight;
        }
        let divisor = mean - 2.0 * weighted;
        let tail = Self { shape: 2.0 - mean / divisor, scale: 2.0 * mean * weighted / divisor };
        (tail.scale > 0.0 && tail.shape.is_finite()).then_some(tail)
    }

    /// The excess that the share `probability` of all excesses surpasses.
    pub(crate) fn excess(&self, probability: f64) -> f64 {
        if self.shape.abs() < 1e-9 {
            return -self.scale * probability.ln();
        }
        self.scale / self.shape * (probability.powf(-self.shape) - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Excesses at evenly spread probabilities of a known tail.
    fn drawn(tail: Tail, count: usize) -> Vec<(f64, f64)> {
        (0..count).map(|i| (tail.excess((i as f64 + 0.5) / count as f64), 1.0)).collect()
    }

    #[test]
    fn a_known_tail_is_found_again() {
        for shape in [-0.3, 1e-12, 0.15] {
            let known = Tail { shape, scale: 0.05 };
            let found = Tail::fit(drawn(known, 5000).into_iter()).unwrap();
            assert!((found.shape - shape).abs() < 0.01 && (found.scale - 0.05).abs() < 0.001, "{found:?}");
        }
    }

    #[test]
    fn excesses_agree_with_scipy() {
        // scipy.stats.genpareto.isf(1e-3, c, scale=0.05).
        for (shape, expected) in [(-0.3, 0.145_684_576_470_097), (0.15, 0.606_127_643_754_818)] {
            let found = Tail { shape, scale: 0.05 }.excess(1e-3);
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    #[test]
    fn few_excesses_have_no_tail() {
        assert_eq!(Tail::fit(drawn(Tail { shape: -0.1, scale: 1.0 }, 49).into_iter()), None);
    }
}

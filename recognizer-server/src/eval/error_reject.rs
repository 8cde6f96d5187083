//! Which errors go away when the worst photos are rejected: the error-versus-reject curve of P. Grother and E. Tabassi
//! ("Performance of biometric quality measures", PAMI 2007), called error-versus-discard in ISO/IEC 29794-1.

/// Where curves end, as a share of the comparisons. Who rejects more has no use for the photos.
pub(crate) const MOST_REJECTED: f64 = 0.3;

/// Steps in which the area under a curve is summed.
const STEPS: u32 = 300;

/// A comparison of two photos of one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judged {
    /// Of the worse photo.
    pub(crate) quality: f64,
    /// Whether the person is not recognised.
    pub(crate) missed: bool,
}

/// The share that is missed of the comparisons that are left, by the share that is rejected, the lowest quality first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ErrorReject {
    /// Rejected comparisons and the misses among them, after each that is of one quality; beginning with none.
    points: Vec<(f64, f64)>,
}

impl ErrorReject {
    /// Of what is sorted by quality, each counted as often as its weight says; `None` of nothing.
    pub(crate) fn weighted(sorted: &[Judged], weight: impl Fn(usize) -> f64) -> Option<Self> {
        let mut points = vec![(0.0, 0.0)];
        let (mut rejected, mut missed) = (0.0, 0.0);
        for (index, judged) in sorted.iter().enumerate() {
            let weight = weight(index);
            rejected += weight;
            missed += if judged.missed { weight } else { 0.0 };
            // No limit tells equal qualities apart: a part of them is rejected as if it were drawn by lot.
            if sorted.get(index + 1).is_none_or(|next| next.quality != judged.quality) {
                points.push((rejected, missed));
            }
        }
        (rejected > 0.0).then_some(Self { points })
    }

    /// The share that is missed when the share `rejected` of the comparisons, below 1, is rejected.
    pub(crate) fn miss_rate(&self, rejected: f64) -> f64 {
        let (all, missed) = self.total();
        let rejected = rejected * all;
        let next = self.points.partition_point(|point| point.0 <= rejected).min(self.points.len() - 1);
        let ((from, missed_from), (to, missed_to)) = (self.points[next - 1], self.points[next]);
        let share = if to > from { ((rejected - from) / (to - from)).min(1.0) } else { 0.0 };
        (missed - missed_from - share * (missed_to - missed_from)) / (all - rejected)
    }

    /// The same if nothing but misses were rejected as long as there are any.
    pub(crate) fn ideal_miss_rate(&self, rejected: f64) -> f64 {
        let (all, missed) = self.total();
        (missed - rejected * all).max(0.0) / (all - rejected * all)
    }

    /// Mean height of the curve up to [`MOST_REJECTED`]. That of a curve that rejects by lot is the miss rate of all.
    pub(crate) fn area(&self) -> f64 {
        mean(|rejected| self.miss_rate(rejected))
    }

    /// The same of the ideal curve.
    pub(crate) fn ideal_area(&self) -> f64 {
        mean(|rejected| self.ideal_miss_rate(rejected))
    }

    /// How much of what can be gained is gained: 0 for rejecting by lot, 1 for the ideal, below 0 for rejecting the
    /// better ones. `None` when nothing is missed.
    pub(crate) fn gain(&self) -> Option<f64> {
        let by_lot = self.miss_rate(0.0);
        (by_lot > 0.0).then(|| (by_lot - self.area()) / (by_lot - self.ideal_area()))
    }

    fn total(&self) -> (f64, f64) {
        self.points.last().copied().unwrap_or_default()
    }
}

/// The mean of a curve up to [`MOST_REJECTED`], by trapezia.
fn mean(curve: impl Fn(f64) -> f64) -> f64 {
    let at = |step: u32| curve(MOST_REJECTED * f64::from(step) / f64::from(STEPS));
    let inner: f64 = (1..STEPS).map(at).sum();
    (inner + (at(0) + at(STEPS)) / 2.0) / f64::from(STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(judged: &[(f64, bool)]) -> ErrorReject {
        let judged: Vec<Judged> = judged.iter().map(|&(quality, missed)| Judged { quality, missed }).collect();
        ErrorReject::weighted(&judged, |_| 1.0).unwrap()
    }

    #[test]
    fn what_is_rejected_no_longer_errs() {
        let curve = curve(&[(0.1, true), (0.2, false), (0.3, true), (0.4, false), (0.5, false)]);
        let rates = [0.0, 0.2, 0.4, 0.6].map(|rejected| curve.miss_rate(rejected));
        assert_eq!(rates, [0.4, 0.25, 1.0 / 3.0, 0.0]);
        // Half a comparison of a miss.
        assert!((curve.miss_rate(0.1) - 1.5 / 4.5).abs() < 1e-12);
        assert_eq!([0.0, 0.2, 0.4, 0.6].map(|rejected| curve.ideal_miss_rate(rejected)), [0.4, 0.25, 0.0, 0.0]);
    }

    #[test]
    fn equal_qualities_are_rejected_by_lot() {
        let curve = curve(&[(0.5, true), (0.5, false), (0.5, false), (0.5, true)]);
        assert!([0.0, 0.1, 0.25, 0.7].iter().all(|&rejected| (curve.miss_rate(rejected) - 0.5).abs() < 1e-12));
        assert!(curve.gain().unwrap().abs() < 1e-12);
    }

    #[test]
    fn the_gain_is_1_for_the_ideal_and_negative_for_the_reverse() {
        let judged = |low_is_missed: bool| -> Vec<(f64, bool)> {
            (0..100).map(|i| (f64::from(i), if low_is_missed { i < 10 } else { i >= 90 })).collect()
        };
        assert!((curve(&judged(true)).gain().unwrap() - 1.0).abs() < 1e-12);
        assert!(curve(&judged(false)).gain().unwrap() < 0.0);
        assert_eq!(curve(&[(0.1, false), (0.2, false)]).gain(), None);
        assert_eq!(ErrorReject::weighted(&[], |_| 1.0), None);
    }

    #[test]
    fn a_weight_is_a_repetition() {
        let sorted = [(0.1, true), (0.2, false), (0.3, false)].map(|(quality, missed)| Judged { quality, missed });
        let weighted = ErrorReject::weighted(&sorted, |index| [2.0, 0.0, 3.0][index]).unwrap();
        let repeated = curve(&[(0.1, true), (0.1, true), (0.3, false), (0.3, false), (0.3, false)]);
        assert_eq!([0.0, 0.2, 0.5].map(|r| weighted.miss_rate(r)), [0.0, 0.2, 0.5].map(|r| repeated.miss_rate(r)));
    }
}

//! The trade between false accepts and misses over all thresholds.

use serde::Serialize;

/// Something that is accepted when its distance lies under a threshold, and whether it ought to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scored {
    pub(crate) same: bool,
    /// Infinite for what no threshold accepts.
    pub(crate) distance: f64,
}

/// What a threshold accepts, as shares of what ought to be accepted and of what ought not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct RocPoint {
    /// Distances up to this one are accepted.
    pub(crate) distance: f64,
    pub(crate) false_accepts: f64,
    pub(crate) true_accepts: f64,
}

/// Rates at every threshold that makes a difference, strictest first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Roc {
    points: Vec<RocPoint>,
    /// Weight of all that ought not to be accepted.
    different: f64,
}

impl Roc {
    /// Of what is sorted by distance, each counted as often as its weight says; `None` when either kind is missing.
    pub(crate) fn weighted(sorted: &[Scored], weight: impl Fn(usize) -> f64) -> Option<Self> {
        let (mut same, mut different) = (0.0, 0.0);
        for (index, scored) in sorted.iter().enumerate() {
            *(if scored.same { &mut same } else { &mut different }) += weight(index);
        }
        if same == 0.0 || different == 0.0 {
            return None;
        }
        let mut points: Vec<RocPoint> = Vec::new();
        let (mut true_accepts, mut false_accepts) = (0.0, 0.0);
        for (index, scored) in sorted.iter().enumerate() {
            if scored.distance.is_infinite() {
                break;
            }
            *(if scored.same { &mut true_accepts } else { &mut false_accepts }) += weight(index);
            let point = RocPoint {
                distance: scored.distance,
                false_accepts: false_accepts / different,
                true_accepts: true_accepts / same,
            };
            // No threshold tells equal distances apart.
            match points.last_mut() {
                Some(last) if last.distance == scored.distance => *last = point,
                _ => points.push(point),
            }
        }
        Some(Self { points, different })
    }

    /// The same, each counted once.
    pub(crate) fn new(mut scored: Vec<Scored>) -> Option<Self> {
        scored.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        Self::weighted(&scored, |_| 1.0)
    }

    /// From nothing accepted to everything that can be.
    pub(crate) fn points(&self) -> &[RocPoint] {
        &self.points
    }

    /// The share that is rightly accepted at the most lenient threshold that accepts at most the share `far` of the
    /// rest.
    pub(crate) fn true_accepts_at(&self, far: f64) -> f64 {
        // A bound that is a whole number of pairs must not lose one to rounding (0.001 · 3000).
        let allowed = far + 1e-9 / self.different;
        let within = self.points.partition_point(|point| point.false_accepts <= allowed);
        within.checked_sub(1).map_or(0.0, |last| self.points[last].true_accepts)
    }

    /// The rate at which false accepts and misses are equally many, between two thresholds by linear interpolation.
    pub(crate) fn equal_error_rate(&self) -> f64 {
        let (mut last_far, mut last_frr) = (0.0, 1.0);
        for point in &self.points {
            let (far, frr) = (point.false_accepts, 1.0 - point.true_accepts);
            if far >= frr {
                // Where the line between both points crosses far = frr.
                let (gap, last_gap) = (far - frr, last_frr - last_far);
                return last_far + (far - last_far) * last_gap / (gap + last_gap);
            }
            (last_far, last_frr) = (far, frr);
        }
        last_far
    }

    /// Area under the curve, by trapezia: the chance that one to be accepted is nearer than one that is not, ties
    /// counting half.
    pub(crate) fn area(&self) -> f64 {
        let (mut area, mut last) = (0.0, (0.0, 0.0));
        for point in &self.points {
            area += (point.false_accepts - last.0) * (point.true_accepts + last.1) / 2.0;
            last = (point.false_accepts, point.true_accepts);
        }
        // What no threshold accepts lies beyond the last point, all of it at once.
        area + (1.0 - last.0) * (1.0 + last.1) / 2.0
    }

    /// Every curve that is drawn or written: at most `count` of the points, the strictest and the most lenient among
    /// them, and more of them where false accepts are rare.
    pub(crate) fn thinned(&self, count: usize) -> Vec<RocPoint> {
        if self.points.len() <= count {
            return self.points.clone();
        }
        // On a logarithmic scale, since the curve is drawn on one.
        let scale = (self.points.len() as f64).ln() / (count - 1) as f64;
        let mut chosen: Vec<usize> = (0..count).map(|i| ((i as f64 * scale).exp() - 1.0).round() as usize).collect();
        let even = (0..count).map(|i| i * (self.points.len() - 1) / (count - 1));
        chosen.extend(even);
        chosen.sort_unstable();
        chosen.dedup();
        chosen.into_iter().filter_map(|index| self.points.get(index)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(same: bool, distance: f64) -> Scored {
        Scored { same, distance }
    }

    #[test]
    fn equal_distances_are_accepted_together() {
        let roc = Roc::new(vec![scored(true, 0.5), scored(false, 0.5), scored(true, 0.1), scored(false, 0.9)]).unwrap();
        assert_eq!(roc.points().len(), 3);
        assert_eq!(roc.true_accepts_at(0.4), 0.5);
        assert_eq!(roc.true_accepts_at(0.5), 1.0);
        // Of 4 comparisons of one to accept with one not to: 3 right and one tie.
        assert_eq!(roc.area(), 3.5 / 4.0);
    }

    #[test]
    fn what_no_threshold_accepts_is_missed_at_every_one() {
        let roc = Roc::new(vec![scored(true, f64::INFINITY), scored(true, 0.1), scored(false, 0.2)]).unwrap();
        assert_eq!(roc.true_accepts_at(1.0), 0.5);
        assert_eq!(roc.points().len(), 2);
    }

    #[test]
    fn a_weight_is_a_repetition() {
        let sorted = [scored(true, 0.1), scored(false, 0.2), scored(true, 0.3), scored(false, 0.4)];
        let weighted = Roc::weighted(&sorted, |index| [2.0, 1.0, 0.0, 3.0][index]).unwrap();
        let repeated = Roc::new([0, 0, 1, 3, 3, 3].map(|index| sorted[index]).to_vec()).unwrap();
        assert_eq!(weighted.area(), repeated.area());
        assert_eq!(weighted.true_accepts_at(0.25), repeated.true_accepts_at(0.25));
        assert!(Roc::weighted(&sorted, |index| f64::from(index == 0)).is_none());
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends() {
        let roc = Roc::new((0..10_000).map(|i| scored(i % 3 == 0, f64::from(i))).collect()).unwrap();
        let thinned = roc.thinned(100);
        assert!(thinned.len() <= 200);
        assert_eq!(thinned.first(), roc.points().first());
        assert_eq!(thinned.last(), roc.points().last());
        assert!(thinned.windows(2).all(|pair| pair[0].distance < pair[1].distance));
    }
}

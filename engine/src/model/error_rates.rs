//! How often a pack errs at a threshold, as `recognizer eval calibrate` measured it.

use serde::{Deserialize, Serialize};

use super::Logistic;

/// What was measured of a pack on photos of people who are known: a part of its entry in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRates {
    /// Name of the photos.
    pub data: String,
    /// The day it was measured or the photos were taken, `YYYY-MM-DD`, as whoever measured says.
    pub date: String,
    /// People on the photos.
    pub people: u64,
    /// Photos with a face.
    pub photos: u64,
    /// Photos that were left out, because the detector found no face on them.
    pub photos_without_face: u64,
    /// Pairs of photos of one person.
    pub same_pairs: u64,
    /// Pairs of photos of two people.
    pub different_pairs: u64,
    /// Share of repeated measurements whose interval would hold the true value.
    pub confidence: f64,
    /// How thresholds beyond what the pairs support were found; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extrapolation: Option<Extrapolation>,
    /// The method by which `probability` was fitted.
    pub probability_method: String,
    /// The map from distance to probability.
    pub probability: Logistic,
    /// Thresholds, from the most lenient to the strictest.
    pub operating_points: Vec<OperatingPoint>,
}

/// The tail that was fitted to the smallest distances of different people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extrapolation {
    /// The family of distributions and the method of its fit.
    pub method: String,
    /// Share of the pairs that it was fitted to.
    pub tail: f64,
    /// Shape of the tail: below 0 it ends at a distance, at 0 it falls as an exponential.
    pub shape: f64,
    /// Scale of the tail, a distance.
    pub scale: f64,
}

/// A threshold and the errors it makes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Share of comparisons of different people whose distance is below the threshold.
    pub false_match_rate: f64,
    /// The distance.
    pub threshold: f32,
    /// The interval in which the threshold lies.
    pub threshold_interval: [f32; 2],
    /// Share of comparisons of one person whose distance is not below the threshold.
    pub miss_rate: f64,
    /// The interval in which that share lies.
    pub miss_rate_interval: [f64; 2],
    /// Whether fewer false matches were seen than such a rate takes, so that the threshold comes from a fitted tail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extrapolated: bool,
}

impl ErrorRates {
    /// What is wrong with it, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        let points = &self.operating_points;
        if points.is_empty() {
            return Err("error_rates has no operating_points".to_owned());
        }
        for point in points {
            if !(point.false_match_rate > 0.0 && point.false_match_rate < 1.0) {
                return Err(format!("false_match_rate {} is outside 0…1", point.false_match_rate));
            }
            if !(point.threshold > 0.0 && point.threshold.is_finite()) {
                return Err(format!("operating point threshold {} is no distance", point.threshold));
            }
        }
        let falls = |pair: &[OperatingPoint]| {
            pair[1].false_match_rate < pair[0].false_match_rate && pair[1].threshold <= pair[0].threshold
        };
        if !points.windows(2).all(falls) {
            return Err("operating_points must go from lenient to strict".to_owned());
        }
        Ok(())
    }

    /// The threshold at which a comparison of different people is a match as often as `false_match_rate` says: of the
    /// point of this rate, or between two points on the line through the logarithms of their rates. A rate above the
    /// most lenient point gets that point's threshold, which is stricter than was asked for. `None` below the
    /// strictest point.
    pub fn threshold(&self, false_match_rate: f64) -> Option<f32> {
        let points = &self.operating_points;
        // Rates are given in decimal and computed as parts of others: a rounding is no stricter rate.
        let reaches = |point: &OperatingPoint| point.false_match_rate <= false_match_rate * (1.0 + 1e-9);
        let stricter = points.iter().position(reaches)?;
        let strict = &points[stricter];
        let Some(lenient) = stricter.checked_sub(1).map(|index| &points[index]) else { return Some(strict.threshold) };
        let share = (false_match_rate / strict.false_match_rate).ln()
            / (lenient.false_match_rate / strict.false_match_rate).ln();
        Some(strict.threshold + (lenient.threshold - strict.threshold) * share.clamp(0.0, 1.0) as f32)
    }

    /// How often a comparison of different people is a match at `threshold`, found as [`Self::threshold`] is. The
    /// strictest point's rate for what is stricter still, which is more than it is; `None` for what is more lenient
    /// than every point.
    pub fn false_match_rate(&self, threshold: f32) -> Option<f64> {
        let points = &self.operating_points;
        let Some(stricter) = points.iter().position(|point| point.threshold <= threshold) else {
            return points.last().map(|point| point.false_match_rate);
        };
        let strict = &points[stricter];
        if strict.threshold == threshold {
            return Some(strict.false_match_rate);
        }
        let lenient = &points[stricter.checked_sub(1)?];
        let share = f64::from((threshold - strict.threshold) / (lenient.threshold - strict.threshold));
        Some(strict.false_match_rate * (lenient.false_match_rate / strict.false_match_rate).powf(share))
    }

    /// The least rate for which there is a threshold.
    pub fn least_rate(&self) -> f64 {
        self.operating_points.last().map_or(1.0, |point| point.false_match_rate)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Rates of 1e-2, 1e-3 and 1e-4 at 0.6, 0.5 and 0.45.
    pub(in super::super) fn rates() -> ErrorRates {
        let point = |false_match_rate, threshold| OperatingPoint {
            false_match_rate,
            threshold,
            threshold_interval: [threshold; 2],
            miss_rate: 0.1,
            miss_rate_interval: [0.05, 0.15],
            extrapolated: false,
        };
        ErrorRates {
            data: "made up".into(),
            date: "2026-01-02".into(),
            people: 3,
            photos: 5,
            photos_without_face: 0,
            same_pairs: 2,
            different_pairs: 8,
            confidence: 0.95,
            extrapolation: None,
            probability_method: "logistic".into(),
            probability: Logistic { midpoint: 0.6, slope: 40.0 },
            operating_points: vec![point(1e-2, 0.6), point(1e-3, 0.5), point(1e-4, 0.45)],
        }
    }

    #[test]
    fn thresholds_lie_on_the_line_between_two_points() {
        let rates = rates();
        for (rate, threshold) in [(0.5, 0.6), (1e-2, 0.6), (1e-3, 0.5), (1e-4, 0.45), (1e-1 / 1e3, 0.45)] {
            assert_eq!(rates.threshold(rate), Some(threshold), "{rate}");
        }
        // Halfway between the logarithms.
        let between = rates.threshold(1e-2 / 10f64.sqrt()).unwrap();
        assert!((between - 0.55).abs() < 1e-6, "{between}");
        assert_eq!(rates.threshold(9e-5), None);
    }

    #[test]
    fn rates_are_the_inverse_of_thresholds() {
        let rates = rates();
        for rate in [1e-2, 5e-3, 1e-3, 2e-4, 1e-4] {
            let found = rates.false_match_rate(rates.threshold(rate).unwrap()).unwrap();
            assert!((found / rate - 1.0).abs() < 1e-4, "{found} is not {rate}");
        }
        assert_eq!(rates.false_match_rate(0.61), None);
        assert_eq!(rates.false_match_rate(0.2), Some(1e-4));
    }

    #[test]
    fn points_must_fall() {
        assert_eq!(rates().check(), Ok(()));
        let mut rising = rates();
        rising.operating_points.reverse();
        assert!(rising.check().is_err());
        let mut none = rates();
        none.operating_points.clear();
        assert!(none.check().is_err());
        let mut certain = rates();
        certain.operating_points[0].false_match_rate = 1.0;
        assert!(certain.check().is_err());
        let mut nowhere = rates();
        nowhere.operating_points[2].threshold = f32::NAN;
        assert!(nowhere.check().is_err());
    }
}

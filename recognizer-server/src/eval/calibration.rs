//! Thresholds at given rates of false matches, and the map from distance to probability, from labelled photos.

use std::collections::BTreeMap;

use facerecog_engine::embed::distance;
use facerecog_engine::model::{ErrorRates, Extrapolation, Logistic, OperatingPoint};
use rayon::prelude::*;

use super::bootstrap::{CONFIDENCE, Count, Rate, percentiles, rate, replicate};
use super::logistic;
use super::tail::Tail;

/// Rates of false matches that thresholds are given for, where the pairs allow.
const RATES: [f64; 7] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8];

/// False matches that a measured rate takes: with 30, the true rate is within 30 % of the measured one with 90 %
/// confidence, if they are independent (G. R. Doddington's rule of 30).
const LEAST_MATCHES: f64 = 30.0;

/// Decades below the last measured rate that are extrapolated.
const EXTRAPOLATED_DECADES: f64 = 1e-3;

/// Share of the pairs of different people that the tail is fitted to.
const TAIL: f64 = 1e-3;

/// Pairs that a tail is fitted to, at least: draws of people have fewer, and must have some.
const LEAST_TAIL: f64 = 400.0;

/// Pairs of different people that are kept, as a share: the most lenient rate and what draws of people may need more.
const KEPT: f64 = 3e-2;

/// Steps of the histograms, as a distance.
pub(crate) const BIN: f64 = 1.0 / 4096.0;

/// Distances above go into the last bin; embeddings of length 1 reach 2.
const BINS: usize = 4 * 4096;

/// Photos compared with each other; twice as many take four times as long.
pub(crate) const MOST_PHOTOS: usize = 20_000;

/// A photo with a face and its person, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelledPhoto<'a> {
    pub(crate) person: usize,
    pub(crate) embedding: &'a [f32],
}

/// Which photos are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pairing<'a> {
    /// Each with each.
    All,
    /// Those listed; whether they are of one person says the list.
    Listed(&'a [(usize, usize, bool)]),
}

/// Two photos and how far they are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PhotoPair {
    pub(crate) a: usize,
    pub(crate) b: usize,
    pub(crate) distance: f32,
}

/// Why photos allow no calibration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum CalibrationError {
    #[error(
        "{same} pairs of one person and {different} of different people are too few: at least {} of different people \
         are needed, and one of one person", (LEAST_MATCHES / RATES[0]) as u64
    )]
    TooFewPairs { same: u64, different: u64 },
    #[error("{photos} photos are too many to compare each with each: at most {MOST_PHOTOS}; take fewer people")]
    TooManyPhotos { photos: usize },
}

/// All comparisons.
#[derive(Debug)]
pub(crate) struct Comparisons<'a> {
    photos: &'a [LabelledPhoto<'a>],
    pairing: Pairing<'a>,
    people: usize,
    /// Number of pairs by distance, in steps of [`BIN`].
    pub(crate) same: Vec<u64>,
    pub(crate) different: Vec<u64>,
    /// The nearest pairs of different people, nearest first.
    pub(crate) nearest_different: Vec<PhotoPair>,
}

impl<'a> Comparisons<'a> {
    /// Compares the photos; people are numbered below `people`.
    pub(crate) fn new(
        photos: &'a [LabelledPhoto<'a>],
        pairing: Pairing<'a>,
        people: usize,
    ) -> Result<Self, CalibrationError> {
        if matches!(pairing, Pairing::All) && photos.len() > MOST_PHOTOS {
            return Err(CalibrationError::TooManyPhotos { photos: photos.len() });
        }
        let mut all = Self { photos, pairing, people, same: vec![], different: vec![], nearest_different: vec![] };
        let empty = || (vec![0; BINS], vec![0; BINS]);
        (all.same, all.different) = all.fold(
            empty,
            |(same, different): &mut (Vec<u64>, Vec<u64>), is_same, pair| {
                (if is_same { same } else { different })[bin(pair.distance)] += 1;
            },
            |mut a, b| {
                a.0.iter_mut().zip(b.0).for_each(|(a, b)| *a += b);
                a.1.iter_mut().zip(b.1).for_each(|(a, b)| *a += b);
                a
            },
        );
        let (same, different) = (all.same.iter().sum::<u64>(), all.different.iter().sum::<u64>());
        if same == 0 || (different as f64) * RATES[0] < LEAST_MATCHES {
            return Err(CalibrationError::TooFewPairs { same, different });
        }
        // A list has no form by which the pairs of a draw could be counted without having them all.
        let kept = if matches!(pairing, Pairing::All) { KEPT } else { 1.0 };
        let cut = all.distance_below(kept * different as f64);
        let mut nearest = all.fold(
            Vec::new,
            |near: &mut Vec<PhotoPair>, is_same, pair| {
                if !is_same && bin(pair.distance) <= cut {
                    near.push(pair);
                }
            },
            |mut a, mut b| {
                a.append(&mut b);
                a
            },
        );
        nearest.par_sort_unstable_by(|x, y| x.distance.total_cmp(&y.distance).then((x.a, x.b).cmp(&(y.a, y.b))));
        all.nearest_different = nearest;
        Ok(all)
    }

    /// The first bin up to which there are at least `count` pairs of different people.
    fn distance_below(&self, count: f64) -> usize {
        let mut seen = 0;
        let reached = |&n: &u64| {
            seen += n;
            seen as f64 >= count
        };
        self.different.iter().position(reached).unwrap_or(BINS - 1)
    }

    /// Goes through all pairs, on all threads.
    fn fold<T: Send>(
        &self,
        empty: impl Fn() -> T + Sync + Send,
        add: impl Fn(&mut T, bool, PhotoPair) + Sync + Send,
        merge: impl Fn(T, T) -> T + Sync + Send,
    ) -> T {
        let pair = |a: usize, b: usize| {
            let (first, second) = (&self.photos[a], &self.photos[b]);
            (first.person == second.person, PhotoPair { a, b, distance: distance(first.embedding, second.embedding) })
        };
        match self.pairing {
            Pairing::All => (0..self.photos.len())
                .into_par_iter()
                .fold(&empty, |mut sum, a| {
                    for b in a + 1..self.photos.len() {
                        let (same, pair) = pair(a, b);
                        add(&mut sum, same, pair);
                    }
                    sum
                })
                .reduce(&empty, merge),
            Pairing::Listed(pairs) => pairs
                .par_iter()
                .fold(&empty, |mut sum, &(a, b, same)| {
                    add(&mut sum, same, pair(a, b).1);
                    sum
                })
                .reduce(&empty, merge),
        }
    }

    /// The pairs of one person that are farthest apart, farthest first.
    pub(crate) fn farthest_same(&self, count: usize) -> Vec<PhotoPair> {
        let keep = |far: &mut Vec<PhotoPair>| {
            far.sort_by(|x, y| y.distance.total_cmp(&x.distance).then((x.a, x.b).cmp(&(y.a, y.b))));
            far.truncate(count);
        };
        let mut far = self.fold(
            Vec::new,
            |far: &mut Vec<PhotoPair>, is_same, pair| {
                if is_same {
                    far.push(pair);
                    if far.len() > 8 * count {
                        keep(far);
                    }
                }
            },
            |mut a, mut b| {
                a.append(&mut b);
                a
            },
        );
        keep(&mut far);
        far
    }

    pub(crate) fn same_pairs(&self) -> u64 {
        self.same.iter().sum()
    }

    pub(crate) fn different_pairs(&self) -> u64 {
        self.different.iter().sum()
    }

    /// The share of pairs of one person that are not below each threshold.
    fn misses(&self, thresholds: &[f32]) -> Vec<Option<Rate>> {
        type ByPerson = BTreeMap<usize, Vec<Count>>;
        let counts: ByPerson = self.fold(
            ByPerson::new,
            |people, is_same, pair| {
                if is_same {
                    let counts = people
                        .entry(self.photos[pair.a].person)
                        .or_insert_with(|| vec![Count::default(); thresholds.len()]);
                    for (count, &threshold) in counts.iter_mut().zip(thresholds) {
                        *count += Count::of(pair.distance >= threshold);
                    }
                }
            },
            |mut a, b| {
                for (person, counts) in b {
                    let sums = a.entry(person).or_insert_with(|| vec![Count::default(); thresholds.len()]);
                    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                }
                a
            },
        );
        (0..thresholds.len())
            .map(|index| rate(&counts.values().map(|counts| counts[index]).collect::<Vec<_>>()))
            .collect()
    }

    /// The weight of all pairs of different people when each person counts as often as `weight` says.
    fn different_weight(&self, weight: &dyn Fn(usize) -> f64) -> f64 {
        match self.pairing {
            Pairing::All => {
                let mut photos = vec![0.0; self.people];
                self.photos.iter().for_each(|photo| photos[photo.person] += weight(photo.person));
                let (sum, squares) = photos.iter().fold((0.0, 0.0), |(sum, squares), n| (sum + n, squares + n * n));
                (sum * sum - squares) / 2.0
            }
            Pairing::Listed(_) => self.nearest_different.iter().map(|pair| self.pair_weight(pair, weight)).sum(),
        }
    }

    fn pair_weight(&self, pair: &PhotoPair, weight: &dyn Fn(usize) -> f64) -> f64 {
        weight(self.photos[pair.a].person) * weight(self.photos[pair.b].person)
    }

    /// The thresholds at `rates`, measured and then extrapolated, when each person counts as often as `weight` says.
    /// The last of them is nothing when the tail cannot be fitted.
    fn thresholds(&self, plan: &Plan, weight: &dyn Fn(usize) -> f64) -> Option<(Vec<f64>, Option<Tail>)> {
        let total = self.different_weight(weight);
        let mut thresholds = Vec::with_capacity(plan.measured.len() + plan.extrapolated.len());
        let mut bounds = plan.measured.clone();
        bounds.insert(0, plan.tail);
        bounds.sort_by(|a, b| a.total_cmp(b));
        let (mut sum, mut next, mut at_bounds) = (0.0, 0, vec![0.0; bounds.len()]);
        for pair in &self.nearest_different {
            sum += self.pair_weight(pair, weight);
            // A bound that is a whole number of pairs must not lose one to rounding.
            while next < bounds.len() && sum > bounds[next] * total + 1e-6 {
                at_bounds[next] = f64::from(pair.distance);
                next += 1;
            }
            if next == bounds.len() {
                break;
            }
        }
        if next < bounds.len() {
            return None;
        }
        let at = |rate: f64| bounds.iter().position(|&bound| bound == rate).map(|index| at_bounds[index]);
        for &rate in &plan.measured {
            thresholds.push(at(rate)?);
        }
        if plan.extrapolated.is_empty() {
            return Some((thresholds, None));
        }
        let start = at(plan.tail)?;
        let excesses = self.nearest_different.iter().map_while(|pair| {
            let excess = start - f64::from(pair.distance);
            (excess > 0.0).then(|| (excess, self.pair_weight(pair, weight)))
        });
        let tail = Tail::fit(excesses)?;
        // Fitted, it may pass the last measured point on its strict side or on the other; a stricter rate never has a
        // more lenient threshold.
        let mut last = *thresholds.last()?;
        for &rate in &plan.extrapolated {
            last = last.min(start - tail.excess(rate / plan.tail));
            thresholds.push(last);
        }
        Some((thresholds, Some(tail)))
    }

    /// The thresholds with their intervals, and the map to probabilities.
    pub(crate) fn error_rates(&self, data: &str, date: &str, photos_without_face: u64) -> Option<ErrorRates> {
        let mut plan = Plan::new(self.different_pairs() as f64);
        if self.thresholds(&plan, &|_| 1.0).is_none() {
            plan.extrapolated.clear();
        }
        let (thresholds, tail) = self.thresholds(&plan, &|_| 1.0)?;
        let replicates =
            replicate(self.people, |weights| Some(self.thresholds(&plan, &|person| f64::from(weights[person]))?.0));
        let rounded: Vec<f32> = thresholds.iter().map(|&threshold| round_down(threshold)).collect();
        let misses = self.misses(&rounded);
        let rates = plan.measured.iter().chain(&plan.extrapolated);
        let operating_points = rates
            .zip(&rounded)
            .zip(misses)
            .enumerate()
            .map(|(index, ((&false_match_rate, &threshold), misses))| {
                let interval = percentiles(replicates.iter().map(|thresholds| thresholds[index]).collect())?;
                let misses = misses?;
                Some(OperatingPoint {
                    false_match_rate,
                    threshold,
                    threshold_interval: [round_down(interval.low), round_down(interval.high)],
                    miss_rate: four_digits(misses.mean),
                    miss_rate_interval: [four_digits(misses.low), four_digits(misses.high)],
                    extrapolated: index >= plan.measured.len(),
                })
            })
            .collect::<Option<Vec<_>>>()?;
        let Logistic { midpoint, slope } = logistic::fit(&self.same, &self.different, BIN);
        Some(ErrorRates {
            data: data.to_owned(),
            date: date.to_owned(),
            people: self.people as u64,
            photos: self.photos.len() as u64,
            photos_without_face,
            same_pairs: self.same_pairs(),
            different_pairs: self.different_pairs(),
            confidence: CONFIDENCE,
            extrapolation: tail.map(|tail| Extrapolation {
                method: "generalised Pareto distribution, by probability-weighted moments".to_owned(),
                tail: plan.tail,
                shape: four_digits(tail.shape),
                scale: four_digits(tail.scale),
            }),
            probability_method: logistic::METHOD.to_owned(),
            probability: Logistic { midpoint: round(midpoint, 4), slope: round(slope, 2) },
            operating_points,
        })
    }
}

/// Which rates are measured, and which extrapolated.
#[derive(Debug, Clone, PartialEq)]
struct Plan {
    measured: Vec<f64>,
    extrapolated: Vec<f64>,
    tail: f64,
}

impl Plan {
    fn new(different_pairs: f64) -> Self {
        let measurable = |rate: &f64| rate * different_pairs >= LEAST_MATCHES;
        let measured: Vec<f64> = RATES.iter().copied().filter(measurable).collect();
        let least = measured.last().copied().unwrap_or(1.0) * EXTRAPOLATED_DECADES * 0.999;
        // Of few pairs a larger share, so that there is something to fit.
        let tail = TAIL.max(1000.0 / different_pairs).min(RATES[0]);
        let can_be_fitted = tail * different_pairs >= LEAST_TAIL;
        let extrapolatable = |rate: &f64| can_be_fitted && !measurable(rate) && *rate >= least;
        let extrapolated = RATES.iter().copied().filter(extrapolatable).collect();
        Self { measured, extrapolated, tail }
    }
}

fn bin(distance: f32) -> usize {
    ((f64::from(distance) / BIN) as usize).min(BINS - 1)
}

/// Four decimals, on the strict side.
fn round_down(distance: f64) -> f32 {
    ((distance * 1e4 + 1e-6).floor() / 1e4) as f32
}

fn round(value: f32, decimals: i32) -> f32 {
    let scale = 10f64.powi(decimals);
    ((f64::from(value) * scale).round() / scale) as f32
}

fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `people` people with two photos each, on a line.
    fn line(people: usize) -> Vec<(usize, [f32; 1])> {
        (0..people).flat_map(|person| [(person, [person as f32]), (person, [person as f32 + 0.25])]).collect()
    }

    fn labelled(line: &[(usize, [f32; 1])]) -> Vec<LabelledPhoto<'_>> {
        line.iter().map(|(person, embedding)| LabelledPhoto { person: *person, embedding }).collect()
    }

    #[test]
    fn a_threshold_accepts_as_many_as_its_rate_and_no_more() {
        let line = line(60);
        let photos = labelled(&line);
        let comparisons = Comparisons::new(&photos, Pairing::All, 60).unwrap();
        assert_eq!((comparisons.same_pairs(), comparisons.different_pairs()), (60, 60 * 59 / 2 * 4));
        // 1 % of 7,080 are 70; neighbours are 0.75 apart 59 times, then 1.0 apart 118 times.
        let plan = Plan { extrapolated: vec![], ..Plan::new(7080.0) };
        let (thresholds, _) = comparisons.thresholds(&plan, &|_| 1.0).unwrap();
        assert_eq!(thresholds[0], 1.0);
        let rates = comparisons.error_rates("a line", "2026-01-02", 0).unwrap();
        assert_eq!((rates.operating_points[0].threshold, rates.operating_points[0].miss_rate), (1.0, 0.0));
        // So few pairs have no tail to go on from.
        assert_eq!((rates.operating_points.len(), rates.extrapolation), (1, None));
        assert_eq!(comparisons.farthest_same(3).len(), 3);
        assert_eq!(comparisons.farthest_same(3)[0], PhotoPair { a: 0, b: 1, distance: 0.25 });
    }

    #[test]
    fn listed_pairs_count_as_the_list_says() {
        let line = line(60);
        let photos = labelled(&line);
        let all: Vec<(usize, usize, bool)> =
            (0..120).flat_map(|a| (a + 1..120).map(move |b| (a, b, a / 2 == b / 2))).collect();
        let listed = Comparisons::new(&photos, Pairing::Listed(&all), 60).unwrap();
        let every = Comparisons::new(&photos, Pairing::All, 60).unwrap();
        assert_eq!(listed.error_rates("x", "y", 1), every.error_rates("x", "y", 1));
        let few = Comparisons::new(&photos, Pairing::Listed(&all[..10]), 60).unwrap_err();
        assert!(matches!(few, CalibrationError::TooFewPairs { .. }), "{few}");
    }

    #[test]
    fn what_too_few_matches_would_tell_is_extrapolated_for_three_decades() {
        let plan = Plan::new(12e6);
        assert_eq!((plan.measured, plan.extrapolated), (vec![1e-2, 1e-3, 1e-4, 1e-5], vec![1e-6, 1e-7, 1e-8]));
        let small = Plan::new(6e4);
        assert_eq!((small.measured, small.extrapolated), (vec![1e-2, 1e-3], vec![1e-4, 1e-5, 1e-6]));
        let smallest = Plan::new(4e3);
        assert_eq!((smallest.measured, smallest.extrapolated), (vec![1e-2], vec![]));
    }
}

//! Confidence intervals by bootstrap over people.
//!
//! Photos of one person are not independent: whoever is mistaken on one is likely to be on the next. What is drawn
//! again and again is therefore whole people with all their photos, and not photos or pairs.

use rayon::prelude::*;
use serde::Serialize;

/// Repetitions; enough for the third digit of a 95 % interval.
const REPLICATES: u64 = 1000;

/// Share of repeated measurements whose interval would hold the true value.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// The same intervals for the same photos, always and everywhere.
const SEED: u64 = 0x0066_6163_6572_6563;

/// Where a measured number lies with [`CONFIDENCE`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(into = "[f64; 2]")]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.low, interval.high]
    }
}

/// A measured share and its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Rate {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// How often something happened to a person, and could have.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Count {
    pub(crate) happened: u64,
    pub(crate) tried: u64,
}

impl Count {
    /// One trial.
    pub(crate) fn of(happened: bool) -> Self {
        Self { happened: happened.into(), tried: 1 }
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.happened += other.happened;
        self.tried += other.tried;
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, count| {
            sum += count;
            sum
        })
    }
}

/// How often each of `people` was drawn, in a replicate for each draw of as many people as there are. The statistic is
/// computed of the weights; one that cannot be, since the draw has none of a kind, is `None` and left out.
pub(crate) fn replicate<T: Send>(people: usize, statistic: impl Fn(&[u32]) -> Option<T> + Sync) -> Vec<T> {
    let drawn = |replicate: u64| {
        let mut random = SplitMix64::new(SEED ^ replicate.wrapping_mul(0xd134_2543_de82_ef95));
        let mut weights = vec![0; people];
        for _ in 0..people {
            weights[random.below(people)] += 1;
        }
        statistic(&weights)
    };
    (0..REPLICATES).into_par_iter().map(drawn).collect::<Vec<_>>().into_iter().flatten().collect()
}

/// The interval that leaves equally many of the replicates' values below and above.
pub(crate) fn percentiles(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| {
        // Linear between neighbours, as numpy's percentile.
        let place = share * last as f64;
        let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
        // Equal infinities have no difference.
        if below == above { below } else { below + (above - below) * place.fract() }
    };
    Some(Interval { low: at((1.0 - CONFIDENCE) / 2.0), high: at((1.0 + CONFIDENCE) / 2.0) })
}

/// A share over all people, with its interval; `None` when nothing was tried. Where it never happened, or always, no
/// draw differs from another; there the interval ends where people of whom it never happens would be seen by a chance
/// of 2.5 % (1 − 0.025^(1/n), the exact bound of n people).
pub(crate) fn rate(people: &[Count]) -> Option<Rate> {
    let people: Vec<Count> = people.iter().copied().filter(|count| count.tried > 0).collect();
    let share = |count: Count| (count.tried > 0).then(|| count.happened as f64 / count.tried as f64);
    let total: Count = people.iter().copied().sum();
    let mean = share(total)?;
    if let Some(rate) = certain(mean, people.len()) {
        return Some(rate);
    }
    let values = replicate(people.len(), |weights| {
        let drawn = people.iter().zip(weights).map(|(count, &weight)| Count {
            happened: count.happened * u64::from(weight),
            tried: count.tried * u64::from(weight),
        });
        share(drawn.sum())
    });
    let Interval { low, high } = percentiles(values)?;
    Some(Rate { mean, low, high })
}

/// The interval of what happened to none of so many people, or to all, see [`rate`]; `None` for any other share.
pub(crate) fn certain(mean: f64, people: usize) -> Option<Rate> {
    let unseen = 1.0 - ((1.0 - CONFIDENCE) / 2.0).powf(1.0 / people.max(1) as f64);
    match mean {
        0.0 => Some(Rate { mean, low: 0.0, high: unseen }),
        1.0 => Some(Rate { mean, low: 1.0 - unseen, high: 1.0 }),
        _ => None,
    }
}

/// Sebastiano Vigna's generator. Generators of crates may change their numbers with a release; a calibration must not.
#[derive(Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; for bounds far below 2⁶⁴ all are equally likely.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_its_published_numbers() {
        // Of the reference implementation with seed 1234567.
        let mut random = SplitMix64::new(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn an_interval_is_as_wide_as_theory_says() {
        // 1,000 people, one trial each, 100 happened: standard error sqrt(0.1 · 0.9 / 1000) = 0.00949.
        let people: Vec<Count> = (0..1000).map(|person| Count::of(person % 10 == 0)).collect();
        let Rate { mean, low, high } = rate(&people).unwrap();
        assert_eq!(mean, 0.1);
        assert!((low - (0.1 - 1.96 * 0.00949)).abs() < 0.002 && (high - (0.1 + 1.96 * 0.00949)).abs() < 0.002);
        // Ten photos of each of 100 people that behave alike tell no more than 100 photos.
        let clustered: Vec<Count> =
            (0..100).map(|person| Count { happened: u64::from(person % 10 == 0) * 10, tried: 10 }).collect();
        let wide = rate(&clustered).unwrap();
        assert!(wide.high - wide.low > 2.5 * (high - low), "{wide:?}");
        // Once more is the same.
        assert_eq!(rate(&people), rate(&people));
    }

    #[test]
    fn what_never_happened_may_still() {
        // Clopper and Pearson's bound for 0 of 100 is 0.0362.
        let never = rate(&[Count::of(false); 100]).unwrap();
        assert_eq!((never.mean, never.low), (0.0, 0.0));
        assert!((never.high - 0.0362).abs() < 1e-4, "{never:?}");
        let always = rate(&[Count::of(true); 100]).unwrap();
        assert!((always.low - (1.0 - 0.0362)).abs() < 1e-4 && always.high == 1.0, "{always:?}");
        assert_eq!(rate(&[]), None);
        assert_eq!(rate(&[Count::default()]), None);
    }
}

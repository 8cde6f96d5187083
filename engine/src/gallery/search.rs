//! Exact search for the rows nearest to a probe.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

use super::{Gallery, GalleryError};
use crate::embed::similarity;

/// A row and how near it is to the probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its place in the gallery, for [`Gallery::row`].
    pub row: usize,
    /// Euclidean distance of the embeddings, 0 for the same.
    pub distance: f32,
    /// The similarity that belongs to the distance, see [`similarity`].
    pub similarity: f32,
}

/// With fewer rows than this, handing out the work costs more than it saves.
const ROWS_FOR_THREADS: usize = 50_000;
/// Rows that a thread takes at once: 8 MiB of 128 numbers each.
const ROWS_PER_TASK: usize = 16_384;

impl Gallery {
    /// The `k` rows nearest to `probe`, nearest first, rows of equal distance in their order. The
    /// same probe always gets the same answer.
    ///
    /// # Errors
    /// [`GalleryError::ProbeDims`] and [`GalleryError::ProbeNotFinite`] for probes that are no
    /// embeddings of the gallery's embedder.
    pub fn search(&self, probe: &[f32], k: usize) -> Result<Vec<Hit>, GalleryError> {
        self.nearest(probe, k, |row| row)
    }

    /// The nearest row of each of the `k` people nearest to `probe`, nearest first.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn best_per_person(&self, probe: &[f32], k: usize) -> Result<Vec<Hit>, GalleryError> {
        self.nearest(probe, k, |row| self.person_of_row(row))
    }

    fn nearest(
        &self,
        probe: &[f32],
        k: usize,
        group_of: impl Fn(usize) -> usize + Sync,
    ) -> Result<Vec<Hit>, GalleryError> {
        let dims = self.identity().dims;
        if probe.len() != dims {
            return Err(GalleryError::ProbeDims { expected: dims, found: probe.len() });
        }
        if !probe.iter().all(|value| value.is_finite()) {
            return Err(GalleryError::ProbeNotFinite);
        }
        let embeddings = Embeddings { values: self.embeddings(), stride: self.embedding_stride(), dims };
        Ok(embeddings.nearest(probe, k, &group_of))
    }
}

/// Embeddings as they lie in the file.
#[derive(Clone, Copy)]
struct Embeddings<'a> {
    values: &'a [f32],
    stride: usize,
    dims: usize,
}

impl Embeddings<'_> {
    /// The nearest row of each of the `k` nearest groups.
    fn nearest(&self, probe: &[f32], k: usize, group_of: &(impl Fn(usize) -> usize + Sync)) -> Vec<Hit> {
        if k == 0 {
            return Vec::new();
        }
        let nearest = if self.values.len() < ROWS_FOR_THREADS * self.stride {
            self.scan(0, self.values, probe, k, group_of)
        } else {
            self.values
                .par_chunks(ROWS_PER_TASK * self.stride)
                .enumerate()
                .map(|(task, values)| self.scan(task * ROWS_PER_TASK, values, probe, k, group_of))
                .reduce(|| Nearest::new(k), |a, b| a.merge(b, group_of))
        };
        let hit = |candidate: Candidate| Hit {
            row: candidate.row,
            distance: candidate.distance,
            similarity: similarity(candidate.distance),
        };
        nearest.ranked.into_iter().map(hit).collect()
    }

    fn scan(
        &self,
        first_row: usize,
        values: &[f32],
        probe: &[f32],
        k: usize,
        group_of: &impl Fn(usize) -> usize,
    ) -> Nearest {
        let mut nearest = Nearest::new(k);
        let mut limit = f32::INFINITY;
        for (row, embedding) in values.chunks_exact(self.stride).enumerate() {
            let squared = squared_distance(probe, &embedding[..self.dims]);
            // False for NaN too, which only a damaged file holds.
            if squared <= limit {
                let row = first_row + row;
                nearest.offer(Candidate { distance: squared.sqrt(), squared, row }, group_of);
                limit = nearest.limit();
            }
        }
        nearest
    }
}

/// Sixteen sums side by side, so that the compiler can use the widest registers there are.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let difference = a[lane] - b[lane];
            sums[lane] += difference * difference;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b));
    sums.into_iter().chain(rest).sum()
}

/// A row that may be among the nearest. Sorts by distance, then by row.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    distance: f32,
    squared: f32,
    row: usize,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// The best candidate of each of the `k` best groups seen so far. A group that falls out comes back
/// only with a better candidate than all it ever had, since the limit never rises: nothing about
/// it needs to be remembered.
struct Nearest {
    k: usize,
    ranked: BTreeSet<Candidate>,
    best_of_group: HashMap<usize, Candidate>,
}

impl Nearest {
    fn new(k: usize) -> Self {
        Self { k, ranked: BTreeSet::new(), best_of_group: HashMap::new() }
    }

    /// Squared distance above which a candidate cannot be among the nearest.
    fn limit(&self) -> f32 {
        match self.ranked.last() {
            Some(worst) if self.ranked.len() == self.k => worst.squared,
            _ => f32::INFINITY,
        }
    }

    fn offer(&mut self, candidate: Candidate, group_of: &impl Fn(usize) -> usize) {
        let group = group_of(candidate.row);
        let replaced = match self.best_of_group.get(&group) {
            Some(best) => Some(*best),
            None if self.ranked.len() < self.k => None,
            None => self.ranked.last().copied(),
        };
        if let Some(replaced) = replaced {
            if replaced <= candidate {
                return;
            }
            self.ranked.remove(&replaced);
            self.best_of_group.remove(&group_of(replaced.row));
        }
        self.ranked.insert(candidate);
        self.best_of_group.insert(group, candidate);
    }

    fn merge(mut self, other: Self, group_of: &impl Fn(usize) -> usize) -> Self {
        for candidate in other.ranked {
            self.offer(candidate, group_of);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::embed::distance;

    /// What [`Embeddings::nearest`] must answer, the slow way.
    fn naive(rows: &[Vec<f32>], probe: &[f32], k: usize, group_of: impl Fn(usize) -> usize) -> Vec<(usize, f32)> {
        let mut ranked: Vec<(usize, f32)> = rows.iter().map(|row| distance(probe, row)).enumerate().collect();
        ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut seen = std::collections::HashSet::new();
        ranked.retain(|(row, _)| seen.insert(group_of(*row)));
        ranked.truncate(k);
        ranked
    }

    fn nearest(
        rows: &[Vec<f32>],
        probe: &[f32],
        k: usize,
        group_of: impl Fn(usize) -> usize + Sync,
    ) -> Vec<(usize, f32)> {
        let stride = probe.len().next_multiple_of(16);
        // The padding must not count.
        let mut values = vec![9e9; rows.len() * stride];
        for (place, row) in values.chunks_exact_mut(stride).zip(rows) {
            place[..row.len()].copy_from_slice(row);
        }
        let embeddings = Embeddings { values: &values, stride, dims: probe.len() };
        embeddings.nearest(probe, k, &group_of).into_iter().map(|hit| (hit.row, hit.distance)).collect()
    }

    /// Rows and a probe of small whole numbers: sums are exact in any order, and ties are common.
    fn rows_and_probe() -> impl Strategy<Value = (Vec<Vec<f32>>, Vec<f32>)> {
        let number = || (-3i8..=3).prop_map(f32::from);
        (1usize..40).prop_flat_map(move |dims| (vec(vec(number(), dims), 0..200), vec(number(), dims)))
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_naive_search((rows, probe) in rows_and_probe(), k in 0usize..220) {
            prop_assert_eq!(nearest(&rows, &probe, k, |row| row), naive(&rows, &probe, k, |row| row));
        }

        #[test]
        fn groups_are_those_of_the_naive_search(
            (rows, probe) in rows_and_probe(),
            k in 0usize..20,
            groups in 1usize..30,
            factor in 1usize..1000,
        ) {
            let group_of = |row: usize| row * factor % 1009 % groups;
            prop_assert_eq!(nearest(&rows, &probe, k, group_of), naive(&rows, &probe, k, group_of));
        }

        #[test]
        fn distances_are_within_rounding_of_the_naive_ones(pairs in vec((-2f32..2.0, -2f32..2.0), 1..600)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            prop_assert!((f64::from(squared_distance(&a, &b)) - exact).abs() <= exact * 1e-5);
        }
    }

    #[test]
    fn many_rows_are_searched_by_threads_with_the_same_answer() {
        let mut state = 7u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 29) as f32
        };
        let rows: Vec<Vec<f32>> = (0..ROWS_FOR_THREADS + 12_345).map(|_| (0..8).map(|_| number()).collect()).collect();
        let probe: Vec<f32> = (0..8).map(|_| number()).collect();
        for k in [1, 10, 1000] {
            assert_eq!(nearest(&rows, &probe, k, |row| row), naive(&rows, &probe, k, |row| row));
            assert_eq!(nearest(&rows, &probe, k, |row| row % 501), naive(&rows, &probe, k, |row| row % 501));
        }
    }

    #[test]
    fn a_row_that_is_no_number_is_no_answer() {
        let rows = [vec![f32::NAN, 0.0], vec![-f32::NAN, 0.0], vec![1.0, 0.0]];
        assert_eq!(nearest(&rows, &[0.0, 0.0], 3, |row| row), [(2, 1.0)]);
    }
}

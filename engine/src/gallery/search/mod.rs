//! Exact search for the rows nearest to a probe: by their [`codes`](facerecog_kernels::codes) most rows are ruled out,
//! and the embeddings of the others are compared.

mod nearest;
mod people;
mod scan;
mod templates;

use std::num::NonZeroUsize;

use facerecog_kernels::Kernels;

use self::nearest::{Candidate, Nearest};
pub(super) use self::people::PersonRows;
use self::scan::Rows;
pub(super) use self::templates::Templates;
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

/// How near a person is whose rows are near or far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PersonScore {
    /// As near as the nearest of their rows.
    #[default]
    BestRow,
    /// The mean distance of that many of their nearest rows, of all when they have fewer. One photo that happens to
    /// look like somebody else weighs less.
    MeanOfTop(NonZeroUsize),
    /// The distance of their [`template`](crate::embed::template), which all of their rows make together. The templates are
    /// made at the first search, and take as much memory as one row of each person.
    Template,
}

impl Gallery {
    /// The `k` rows nearest to `probe`, nearest first, rows of equal distance in their order. The
    /// same probe always gets the same answer.
    ///
    /// # Errors
    /// [`GalleryError::ProbeDims`] and [`GalleryError::ProbeNotFinite`] for probes that are no
    /// embeddings of the gallery's embedder.
    pub fn search(&self, probe: &[f32], k: usize) -> Result<Vec<Hit>, GalleryError> {
        self.search_many(&[probe], k).map(only)
    }

    /// What [`Self::search`] answers for each of the probes, in less time: a row is compared with many probes while it
    /// is at hand.
    ///
    /// # Errors
    /// As [`Self::search`], when any of the probes is no embedding.
    pub fn search_many(&self, probes: &[&[f32]], k: usize) -> Result<Vec<Vec<Hit>>, GalleryError> {
        self.check_probes(probes)?;
        Ok(hits(self.embedded_rows().nearest(probes, k, &|row| row)))
    }

    /// The nearest row of each of the `k` people nearest to `probe`, nearest first.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn best_per_person(&self, probe: &[f32], k: usize) -> Result<Vec<Hit>, GalleryError> {
        self.nearest_people(probe, k, PersonScore::BestRow)
    }

    /// The `k` people nearest to `probe` by `score`, nearest first: of each the nearest row, with the score as its
    /// distance. People of equal score come in the order of these rows, with templates in that of the people.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn nearest_people(&self, probe: &[f32], k: usize, score: PersonScore) -> Result<Vec<Hit>, GalleryError> {
        self.nearest_people_many(&[probe], k, score).map(only)
    }

    /// What [`Self::nearest_people`] answers for each of the probes, in less time.
    ///
    /// # Errors
    /// As [`Self::search_many`].
    pub fn nearest_people_many(
        &self,
        probes: &[&[f32]],
        k: usize,
        score: PersonScore,
    ) -> Result<Vec<Vec<Hit>>, GalleryError> {
        self.check_probes(probes)?;
        let rows = self.embedded_rows();
        Ok(hits(match score {
            PersonScore::MeanOfTop(rows_each) if rows_each.get() > 1 && k > 0 => {
                people::by_mean(self, &rows, probes, k, rows_each.get())
            }
            PersonScore::Template => templates::by_template(self, &rows, probes, k),
            PersonScore::BestRow | PersonScore::MeanOfTop(_) => rows.nearest(probes, k, &|row| self.person_of_row(row)),
        }))
    }

    fn check_probes(&self, probes: &[&[f32]]) -> Result<(), GalleryError> {
        let expected = self.identity().dims;
        for probe in probes {
            if probe.len() != expected {
                return Err(GalleryError::ProbeDims { expected, found: probe.len() });
            }
            if !probe.iter().all(|value| value.is_finite()) {
                return Err(GalleryError::ProbeNotFinite);
            }
        }
        Ok(())
    }

    fn embedded_rows(&self) -> Rows<'_> {
        let kernels = Kernels::chosen();
        Rows {
            kernels,
            embeddings: self.embeddings(),
            stride: self.embedding_stride(),
            dims: self.identity().dims,
            codes: if kernels.are_fast_with_codes() { self.codes() } else { &[] },
        }
    }
}

impl Rows<'_> {
    /// The nearest row of each of the `k` nearest groups, for each probe.
    fn nearest(&self, probes: &[&[f32]], k: usize, group_of: &(impl Fn(usize) -> usize + Sync)) -> Vec<Vec<Candidate>> {
        if k == 0 {
            return vec![Vec::new(); probes.len()];
        }
        let nearest = self.collect(probes, |_| Nearest::new(k, group_of));
        nearest.into_iter().map(|nearest| nearest.into_ranked().collect()).collect()
    }
}

fn hits(found: Vec<Vec<Candidate>>) -> Vec<Vec<Hit>> {
    let hit = |Candidate { row, distance }| Hit { row, distance, similarity: similarity(distance) };
    found.into_iter().map(|found| found.into_iter().map(hit).collect()).collect()
}

/// The answer for the only probe.
fn only(mut answers: Vec<Vec<Hit>>) -> Vec<Hit> {
    answers.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use facerecog_kernels::Instructions;
    use facerecog_kernels::codes::{BLOCK_ROWS, Line, block_lines, encode_block};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::scan::ROWS_FOR_THREADS;
    use super::*;
    use crate::embed::distance;

    /// What [`Rows::nearest`] must answer, the slow way.
    fn naive(rows: &[Vec<f32>], probe: &[f32], k: usize, group_of: impl Fn(usize) -> usize) -> Vec<(usize, f32)> {
        let mut ranked: Vec<(usize, f32)> = rows.iter().map(|row| distance(probe, row)).enumerate().collect();
        ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut seen = HashSet::new();
        ranked.retain(|(row, _)| seen.insert(group_of(*row)));
        ranked.truncate(k);
        ranked
    }

    /// Asserts that it is the same with codes and without, alone and among other probes, and for all instructions.
    fn nearest(
        rows: &[Vec<f32>],
        probe: &[f32],
        k: usize,
        group_of: impl Fn(usize) -> usize + Sync,
    ) -> Vec<(usize, f32)> {
        let (dims, stride) = (probe.len(), probe.len().next_multiple_of(16));
        // The padding must not count.
        let mut embeddings = vec![9e9; rows.len() * stride];
        for (place, row) in embeddings.chunks_exact_mut(stride).zip(rows) {
            place[..row.len()].copy_from_slice(row);
        }
        let mut codes = vec![[0; 64]; rows.len().div_ceil(BLOCK_ROWS) * block_lines(dims)];
        for (block, rows) in codes.chunks_mut(block_lines(dims)).zip(rows.chunks(BLOCK_ROWS)) {
            encode_block(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), dims, block);
        }
        let other: Vec<f32> = probe.iter().map(|value| 1.0 - value).collect();
        let answers = |codes: &[Line], kernels| {
            let rows = Rows { kernels, embeddings: &embeddings, stride, dims, codes };
            let [alone] = &rows.nearest(&[probe], k, &group_of)[..] else { panic!("one answer a probe") };
            let among = rows.nearest(&[&other, probe, &other], k, &group_of);
            assert_eq!(among.len(), 3);
            assert_eq!(&among[1], alone);
            assert_eq!(among[0], among[2]);
            alone.iter().map(|found| (found.row, found.distance)).collect::<Vec<_>>()
        };
        let exact = answers(&[], Kernels::chosen());
        for kernels in Instructions::ALL.into_iter().filter_map(Kernels::of) {
            assert_eq!(answers(&codes, kernels), exact, "{}", kernels.instructions().name());
        }
        exact
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
            let kernels = Kernels::chosen();
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            prop_assert!((f64::from(kernels.squared_distance(&a, &b)) - exact).abs() <= exact * 1e-5);
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

//! Going through all rows.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use facerecog_kernels::Kernels;
use facerecog_kernels::codes::{BLOCK_ROWS, Batch, Found, Line, Probe, block_lines};

use super::nearest::Collector;
use crate::parallel;

/// With fewer rows than this, handing out the work costs more than it saves.
pub(super) const ROWS_FOR_THREADS: usize = 50_000;
/// Fewest rows that a thread takes at once: 8 MiB of 128 numbers each, 2 MiB of codes.
const ROWS_AT_ONCE: usize = 16_384;
/// Parts that the rows are divided into, at most: enough for all threads to end together.
const MOST_PARTS: usize = 256;
/// Probes compared with a row while it is at hand. The codes of so many lie in the nearest cache beside the rows.
const PROBES_AT_ONCE: usize = 64;

/// Embeddings and codes as they lie in the file.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) kernels: Kernels,
    pub(super) embeddings: &'a [f32],
    pub(super) stride: usize,
    pub(super) dims: usize,
    /// Nothing when there are no codes.
    pub(super) codes: &'a [Line],
}

impl<'a> Rows<'a> {
    fn count(&self) -> usize {
        self.embeddings.len() / self.stride
    }

    pub(super) fn distance(&self, probe: &[f32], row: usize) -> f32 {
        let start = row * self.stride;
        self.kernels.squared_distance(probe, &self.embeddings[start..start + self.dims]).sqrt()
    }

    /// Offers to the collector of each probe every row that is not farther away than its limit. A row whose
    /// embedding holds NaN, which only a damaged file does, is offered to none.
    pub(super) fn collect<C: Collector>(&self, probes: &[&[f32]], collector: impl Fn(usize) -> C + Sync) -> Vec<C> {
        let batches = probes.chunks(PROBES_AT_ONCE).enumerate();
        batches
            .flat_map(|(batch, probes)| self.collect_batch(probes, |place| collector(batch * PROBES_AT_ONCE + place)))
            .collect()
    }

    fn collect_batch<C: Collector>(&self, probes: &[&[f32]], collector: impl Fn(usize) -> C + Sync) -> Vec<C> {
        let search = Search { rows: *self, probes, limits: Vec::new() };
        let collectors = || -> Vec<C> { (0..probes.len()).map(&collector).collect() };
        let count = self.count();
        if count < ROWS_FOR_THREADS {
            let mut part = Part::new(&search, collectors());
            part.scan(0..count);
            return part.collectors;
        }
        let limits = (0..probes.len()).map(|_| AtomicU32::new(f32::INFINITY.to_bits())).collect();
        let search = Search { limits, ..search };
        let rows = ROWS_AT_ONCE.max(count.div_ceil(MOST_PARTS).next_multiple_of(ROWS_AT_ONCE));
        let starts: Vec<usize> = (0..count).step_by(rows).collect();
        let scanned = parallel::map(&starts, |&start| {
            let mut part = Part::new(&search, collectors());
            part.scan(start..count.min(start + rows));
            part.collectors
        });
        let merged = |a: Vec<C>, b: Vec<C>| a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect();
        scanned.into_iter().reduce(merged).unwrap_or_default()
    }
}

/// What the threads of a search share.
struct Search<'a> {
    rows: Rows<'a>,
    probes: &'a [&'a [f32]],
    /// The lowest limit that any thread has for each probe, as bits: those of numbers that are not negative sort as
    /// the numbers do. What a thread finds beyond it cannot be among the nearest. Empty with one thread.
    limits: Vec<AtomicU32>,
}

/// What a thread does of a search.
struct Part<'a, C> {
    search: &'a Search<'a>,
    collectors: Vec<C>,
    /// Of each probe, as far as `coded` has been told.
    limits: Vec<f32>,
    coded: Coded,
}

/// The probes in the form for the kernel that suits their number.
enum Coded {
    None,
    One(Probe),
    Many(Batch),
}

impl<'a, C: Collector> Part<'a, C> {
    fn new(search: &'a Search<'a>, collectors: Vec<C>) -> Self {
        let coded = match search.probes {
            _ if search.rows.codes.is_empty() => Coded::None,
            [probe] => Coded::One(Probe::new(probe)),
            probes => Coded::Many(Batch::new(probes.iter().map(|probe| Probe::new(probe)).collect())),
        };
        let mut part = Self { search, limits: vec![f32::INFINITY; collectors.len()], collectors, coded };
        (0..part.limits.len()).for_each(|place| part.lower_limit(place));
        part
    }

    /// Goes through `rows`, which begin at a block.
    fn scan(&mut self, rows: Range<usize>) {
        if !self.search.limits.is_empty() {
            (0..self.limits.len()).for_each(|place| self.lower_limit(place));
        }
        let Rows { kernels, codes, dims, .. } = self.search.rows;
        let lines = block_lines(dims);
        let blocks = codes.get(rows.start / BLOCK_ROWS * lines..rows.end.div_ceil(BLOCK_ROWS) * lines);
        match (&self.coded, blocks) {
            (Coded::One(_), Some(blocks)) => {
                let mut done = 0;
                while let Coded::One(probe) = &self.coded
                    && let Some(Found { block, rows: found }) = kernels.first_within(&blocks[done * lines..], probe)
                {
                    self.offer_each(0, found.into(), rows.start + (done + block) * BLOCK_ROWS, rows.end);
                    done += block + 1;
                }
            }
            (Coded::Many(_), Some(blocks)) => {
                let mut found = vec![0; self.limits.len()];
                for (pair, blocks) in blocks.chunks(2 * lines).enumerate() {
                    if let Coded::Many(batch) = &self.coded {
                        kernels.within(blocks, batch, &mut found);
                    }
                    if found.iter().fold(0, |any, found| any | found) != 0 {
                        let first = rows.start + pair * 2 * BLOCK_ROWS;
                        (0..found.len()).for_each(|place| self.offer_each(place, found[place], first, rows.end));
                    }
                }
            }
            _ => {
                for row in rows {
                    (0..self.limits.len()).for_each(|place| self.offer(place, row));
                }
            }
        }
    }

    /// Offers the rows that bits of `found` stand for, the lowest for row `first`.
    fn offer_each(&mut self, place: usize, mut found: u32, first: usize, end: usize) {
        while found != 0 {
            let row = first + found.trailing_zeros() as usize;
            found &= found - 1;
            // A block may have places beyond the last row.
            if row < end {
                self.offer(place, row);
            }
        }
    }

    fn offer(&mut self, place: usize, row: usize) {
        let distance = self.search.rows.distance(self.search.probes[place], row);
        // False for NaN too.
        if distance <= self.limits[place] {
            self.collectors[place].offer(row, distance);
            self.lower_limit(place);
        }
    }

    /// Takes over the limit of the collector, or of another thread when that is lower.
    fn lower_limit(&mut self, place: usize) {
        let mut limit = self.collectors[place].limit();
        if let Some(shared) = self.search.limits.get(place) {
            limit = limit.min(f32::from_bits(shared.fetch_min(limit.to_bits(), Ordering::Relaxed)));
        }
        if limit < self.limits[place] {
            self.limits[place] = limit;
            match &mut self.coded {
                Coded::None => {}
                Coded::One(probe) => probe.set_limit(limit),
                Coded::Many(batch) => batch.set_limit(place, limit),
            }
        }
    }
}

//! Layers that run in bands of rows: some rows of the last, and of those before it the rows that these are made of. What
//! is between the layers is never there as a whole, and stays in the cache.

use std::ops::Range;

use super::fuse::Given;
use super::layer::{Step, reads};
use super::shape::Shape;

/// Rows that one run of a layer makes, and where its maps are. Rows are those of the whole map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Band {
    /// That the memory of the input has room for in each block; it may end after the map.
    pub(super) x_rows: Range<usize>,
    /// Likewise of the output.
    pub(super) y_rows: Range<usize>,
    /// That are made; none when all that are needed are there.
    pub(super) rows: Range<usize>,
}

impl Band {
    /// All rows, of maps of these heights.
    pub(super) fn whole(height: usize, rows: usize) -> Self {
        Self { x_rows: 0..height, y_rows: 0..rows, rows: 0..rows }
    }
}

/// Steps that run together, each on what the one before it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) steps: Range<usize>,
    /// Rows of the last map that are made at once.
    pub(super) rows: usize,
}

/// Numbers that the maps of a chain take, so that they stay in the second level of the cache beside the weights. Tests
/// have small maps.
const BAND_NUMBERS: usize = if cfg!(test) { 2 << 10 } else { 128 << 10 };
/// A layer whose maps take fewer has them in the cache as they are.
const SMALL_NUMBERS: usize = if cfg!(test) { 1 << 9 } else { 256 << 10 };
/// With fewer rows, going from one layer to the next takes longer than is saved.
const LEAST_ROWS: usize = if cfg!(test) { 2 } else { 4 };

impl Chain {
    /// All rows of one step.
    fn whole(step: usize, rows: usize) -> Self {
        Self { steps: step..step + 1, rows }
    }

    /// How many bands there are.
    pub(super) fn count(&self, shapes: &[Shape]) -> usize {
        shapes[self.steps.end][1].div_ceil(self.rows)
    }

    /// The rows of what a step gives that are needed for a band; `shapes` has the image before them.
    fn needed(&self, steps: &[Step], shapes: &[Shape], band: usize, step: usize) -> Range<usize> {
        let [_, height, _] = shapes[self.steps.end];
        let mut rows = (band * self.rows).min(height)..((band + 1) * self.rows).min(height);
        for later in (step + 1..self.steps.end).rev() {
            rows = steps[later].band_window().rows_read(rows, shapes[later][1]);
        }
        rows
    }

    /// Rows of what a step gives that memory is needed for, no fewer than are ever needed at once.
    pub(super) fn held(&self, steps: &[Step], shapes: &[Shape], step: usize) -> usize {
        let [_, height, _] = shapes[self.steps.end];
        if step + 1 == self.steps.end {
            return height;
        }
        let extent = |rows, later: usize| steps[later].band_window().rows_beneath(rows).min(shapes[later][1]);
        (step + 1..self.steps.end).rev().fold(self.rows.min(height), extent)
    }
}

/// What a band of a chain is made of.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) step: usize,
    pub(super) band: Band,
    /// Rows of the output's memory, from its first, that are needed again, and where the first of them was before.
    pub(super) kept: Option<(usize, usize)>,
}

impl Chain {
    /// Each step for each band, in the order in which they run; `held` is of what each step gives.
    pub(super) fn stages(&self, steps: &[Step], shapes: &[Shape], held: &[usize]) -> impl Iterator<Item = Stage> {
        let all = (0..self.count(shapes)).flat_map(|band| self.steps.clone().map(move |step| (band, step)));
        all.map(|(band, step)| {
            let is_last = |step: usize| step + 1 == self.steps.end;
            let room = |step: usize| {
                let begin = if is_last(step) { 0 } else { self.needed(steps, shapes, band, step).start };
                begin..begin + held[step]
            };
            let needed = self.needed(steps, shapes, band, step);
            let before = band.checked_sub(1).map(|before| self.needed(steps, shapes, before, step));
            let done = before.as_ref().map_or(0, |before| before.end);
            let kept = before
                .filter(|before| !is_last(step) && needed.start < before.end)
                .map(|before| (before.end - needed.start, needed.start - before.start));
            let rows = done.max(needed.start)..needed.end;
            let input = steps[step].inputs[0];
            let x_rows = if step == self.steps.start { 0..shapes[input][1] } else { room(step - 1) };
            Stage { step, band: Band { x_rows, y_rows: room(step), rows }, kept }
        })
    }
}

/// Each step by itself, with whole maps.
pub(super) fn singles(shapes: &[Shape]) -> Vec<Chain> {
    shapes[1..].iter().enumerate().map(|(step, shape)| Chain::whole(step, shape[1])).collect()
}

/// All steps in chains that pay, where `outputs` are kept whole.
pub(super) fn chains(steps: &[Step], shapes: &[Shape], lanes: usize, outputs: &[Given]) -> Vec<Chain> {
    let reads = reads(steps, outputs);
    let numbers = |value: usize, rows: usize| shapes[value][0].next_multiple_of(lanes) * rows * shapes[value][2];
    let whole = |value: usize| numbers(value, shapes[value][1]);
    let mut chains = Vec::with_capacity(steps.len());
    let mut begin = 0;
    while begin < steps.len() {
        let mut end = begin + 1;
        if steps[begin].has_bands(true) {
            while end < steps.len()
                && steps[end].inputs == [end]
                && reads[end] == 1
                && steps[end].has_bands(false)
                && whole(end) + whole(end + 1) > SMALL_NUMBERS
            {
                end += 1;
            }
        }
        // The longest chain whose maps stay in the cache.
        let found = (begin + 2..=end).rev().find_map(|end| {
            let fits = |rows: usize| {
                let chain = Chain { steps: begin..end, rows };
                let between = (begin..end - 1).map(|step| numbers(step + 1, chain.held(steps, shapes, step)));
                between.sum::<usize>() + numbers(end, rows) <= BAND_NUMBERS
            };
            let height = shapes[end][1];
            let rows = (LEAST_ROWS..height).take_while(|&rows| fits(rows)).last()?;
            Some(Chain { steps: begin..end, rows })
        });
        let chain = found.unwrap_or_else(|| Chain::whole(begin, shapes[begin + 1][1]));
        begin = chain.steps.end;
        chains.push(chain);
    }
    chains
}

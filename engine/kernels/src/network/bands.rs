//! Layers that run in bands of rows: some rows of the last, and of those before it the rows that these are made of. What
//! is between the layers is never there as a whole, and stays in the cache.

use std::ops::Range;

use super::fuse::Given;
use super::layer::{Step, reads};
use super::shape::Shape;

/// Rows that one run of a layer makes, and where its maps are. Memory has room for some rows in each block, and a row of
/// the map is in that of its index modulo as many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Band {
    /// Rows that are made, one after the other in memory; none when all that are needed are there.
    pub(super) rows: Range<usize>,
    /// Rows of the input that are there.
    pub(super) x_rows: Range<usize>,
    /// Rows that the memory of the input has room for, and that of the output.
    pub(super) x_room: usize,
    pub(super) y_room: usize,
    /// The rows that are in the first of memory, of those that come before or are the first of them.
    x_base: usize,
    y_base: usize,
}

impl Band {
    fn new(rows: Range<usize>, x_rows: Range<usize>, [x_room, y_room]: [usize; 2]) -> Self {
        let [x_base, y_base] = [x_rows.start / x_room * x_room, rows.start / y_room * y_room];
        Self { rows, x_rows, x_room, y_room, x_base, y_base }
    }

    /// All rows, of maps of these heights.
    pub(super) fn whole(height: usize, rows: usize) -> Self {
        Self { rows: 0..rows, x_rows: 0..height, x_room: height, y_room: rows, x_base: 0, y_base: 0 }
    }

    /// Where a row of the input is in memory, of those that are there.
    #[inline(always)]
    pub(super) fn x_place(&self, row: usize) -> usize {
        in_room(row - self.x_base, self.x_room)
    }

    /// Where a row of the output is in memory, of those that are made.
    #[inline(always)]
    pub(super) fn y_place(&self, row: usize) -> usize {
        row - self.y_base
    }

    /// The first of those rows that is not behind the ones before it in memory with so much room.
    fn break_in(rows: &Range<usize>, room: usize) -> usize {
        (rows.start / room + 1).saturating_mul(room).min(rows.end)
    }

    /// Whether the rows that are made are one after the other in the memory of the output.
    pub(super) fn is_together(&self) -> bool {
        Self::break_in(&self.rows, self.y_room) == self.rows.end
    }

    /// Whether rows of the same indices are so in that of the input.
    pub(super) fn is_flat(&self) -> bool {
        Self::break_in(&self.rows, self.x_room) == self.rows.end
    }
}

/// Where a row is in memory with so much room, which begins again behind its end: of those from its first row on that it
/// ever holds at once.
#[inline(always)]
pub(super) fn in_room(row: usize, room: usize) -> usize {
    if row < room { row } else { row - room }
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
const BAND_NUMBERS: usize = if cfg!(test) { 2 << 10 } else { 256 << 10 };
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

impl Chain {
    /// Each step for each band, in the order in which they run; `room` is the rows that the memory of what each step gives
    /// has room for. A band whose rows are not together in memory is made in parts.
    pub(super) fn stages(
        &self,
        steps: &[Step],
        shapes: &[Shape],
        room: &[usize],
    ) -> impl Iterator<Item = (usize, Band)> {
        let all = (0..self.count(shapes)).flat_map(|band| self.steps.clone().map(move |step| (band, step)));
        all.flat_map(move |(band, step)| {
            let needed = |band: usize, step: usize| self.needed(steps, shapes, band, step);
            let rows = needed(band, step);
            let done = band.checked_sub(1).map_or(0, |before| needed(before, step).end);
            let mut left = done.max(rows.start)..rows.end;
            let height = shapes[steps[step].inputs[0]][1];
            let (x_rows, x_room) =
                if step == self.steps.start { (0..height, height) } else { (needed(band, step - 1), room[step - 1]) };
            let y_room = room[step];
            std::iter::from_fn(move || {
                if left.is_empty() {
                    return None;
                }
                let mut end = Band::break_in(&left, y_room);
                if steps[step].is_flat() {
                    end = end.min(Band::break_in(&left, x_room));
                }
                let rows = left.start..end;
                left.start = end;
                Some((step, Band::new(rows, x_rows.clone(), [x_room, y_room])))
            })
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
    // As many as it takes memory for.
    let numbers = |value: usize, rows: usize| {
        let [channels, _, width] = shapes[value];
        let pieces = value.checked_sub(1).map_or(1, |step| steps[step].gives().channels());
        channels.next_multiple_of(lanes) / pieces * rows * width
    };
    let whole = |value: usize| numbers(value, shapes[value][1]);
    let chain = |begin: usize, end: usize| {
        let fits = |rows: usize| {
            let chain = Chain { steps: begin..end, rows };
            let between = (begin..end - 1).map(|step| numbers(step + 1, chain.held(steps, shapes, step)));
            between.sum::<usize>() + numbers(end, rows) <= BAND_NUMBERS
        };
        let height = shapes[end][1];
        let rows = (LEAST_ROWS..height).take_while(|&rows| fits(rows)).last()?;
        Some(Chain { steps: begin..end, rows })
    };
    let mut chains: Vec<Chain> = Vec::with_capacity(steps.len());
    let mut begin = 0;
    while begin < steps.len() {
        // Steps that read one another.
        let mut end = begin + 1;
        while end < steps.len()
            && steps[begin].has_bands(true)
            && steps[end].inputs == [end]
            && reads[end] == 1
            && steps[end].has_bands(false)
            && whole(end) + whole(end + 1) > SMALL_NUMBERS
        {
            end += 1;
        }
        // For the steps before each, the fewest numbers of whole maps, and the last chain: of several with as few, the longest.
        let mut best: Vec<(usize, Option<Chain>)> = vec![(0, None)];
        for step in begin..end {
            // Where one does not fit, longer ones do not.
            let longer = (begin..step).rev().map_while(|first| chain(first, step + 1));
            let before = |chain: &Chain| best[chain.steps.start - begin].0;
            let last = std::iter::once(Chain::whole(step, shapes[step + 1][1]))
                .chain(longer)
                .min_by_key(|chain| (before(chain), chain.steps.start))
                .expect("one is alone");
            best.push((before(&last) + whole(step + 1), Some(last)));
        }
        let mut found = Vec::new();
        let mut place = end;
        while let Some(chain) = best[place - begin].1.take() {
            place = chain.steps.start;
            found.push(chain);
        }
        chains.extend(found.into_iter().rev());
        begin = end;
    }
    chains
}

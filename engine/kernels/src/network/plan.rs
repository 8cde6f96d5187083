//! Where the maps of a run are: for one size of the image, shapes and places of all values in one stretch of memory.

use std::ops::Range;

use super::bands::{self, Chain};
use super::fuse::Given;
use super::kernel::lanes;
use super::layer::Step;
use super::shape::{Shape, numbers};
use crate::Instructions;

/// Places are multiples of a cache line.
const LINE: usize = 16;

/// Shapes and places for one size of the image.
#[derive(Debug)]
pub(super) struct Plan {
    /// Of what each step gives, and the image's before them.
    pub(super) shapes: Vec<Shape>,
    /// In this order.
    pub(super) chains: Vec<Chain>,
    /// Rows of what each step gives that have a place.
    pub(super) held: Vec<usize>,
    /// Of what each step gives.
    pub(super) places: Vec<Range<usize>>,
    /// Of each step.
    pub(super) scratch: Vec<Range<usize>>,
    /// Of the outputs in rows.
    pub(super) outputs: Vec<(Shape, Range<usize>)>,
    /// Numbers of all.
    pub(super) numbers: usize,
}

impl Plan {
    /// With whole maps, or in bands where that takes less time. An error names the step and the reason.
    pub(super) fn new(
        instructions: Instructions,
        steps: &[Step],
        outputs: &[Given],
        image: Shape,
        in_bands: bool,
    ) -> Result<Self, (usize, String)> {
        numbers(image).map_err(|reason| (0, reason))?;
        if image.contains(&0) {
            return Err((0, "the image is empty".into()));
        }
        let mut shapes = vec![image];
        let mut scratch_numbers = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let inputs: Vec<Shape> = step.inputs.iter().map(|&input| shapes[input]).collect();
            let residual = step.residual.map(|residual| shapes[residual]);
            let sizes = step.sizes(instructions, &inputs, residual).map_err(|reason| (index, reason))?;
            shapes.push(sizes.shape);
            scratch_numbers.push(sizes.scratch);
        }
        let lanes = lanes(instructions);
        let chains = if in_bands { bands::chains(steps, &shapes, lanes, outputs) } else { bands::singles(&shapes) };
        // The last step that reads each value, or of its chain; outputs are read after all.
        let mut last_read = vec![0; shapes.len()];
        for chain in &chains {
            let last = chain.steps.end - 1;
            for index in chain.steps.clone() {
                last_read[index + 1] = last;
                steps[index].inputs.iter().chain(&steps[index].residual).for_each(|&value| last_read[value] = last);
            }
        }
        outputs.iter().for_each(|output| last_read[output.value] = steps.len());

        let mut space = Space::default();
        let [mut places, mut scratch] = [(); 2].map(|()| Vec::with_capacity(steps.len()));
        let mut held = Vec::with_capacity(steps.len());
        for chain in &chains {
            space.free(chain.steps.start);
            for index in chain.steps.clone() {
                let [channels, _, width] = shapes[index + 1];
                held.push(chain.held(steps, &shapes, index));
                let pieces = steps[index].gives();
                let numbers = channels.next_multiple_of(lanes) / pieces.channels() * held[index] * width;
                places.push(space.take(numbers, last_read[index + 1]));
            }
            // One after the other, they use the same.
            let numbers = |index: usize| scratch_numbers[index];
            let shared = space.take(chain.steps.clone().map(numbers).max().unwrap_or(0), chain.steps.end - 1);
            scratch.extend(chain.steps.clone().map(|index| shared.start..shared.start + numbers(index)));
        }
        space.free(steps.len());
        let outputs = outputs
            .iter()
            .map(|output| {
                let [_, rows, columns] = shapes[output.value];
                let shape = [output.channels, rows, columns];
                (shape, space.take(shape.iter().product(), usize::MAX))
            })
            .collect();
        Ok(Self { shapes, chains, held, places, scratch, outputs, numbers: space.end })
    }
}

/// What is taken at the moment, in the order of its places.
#[derive(Default)]
struct Space {
    taken: Vec<(Range<usize>, usize)>,
    end: usize,
}

impl Space {
    /// Gives back what was read last before this step.
    fn free(&mut self, step: usize) {
        self.taken.retain(|(_, last_read)| *last_read >= step);
    }

    /// The smallest gap that is large enough, until a step has run.
    fn take(&mut self, numbers: usize, last_read: usize) -> Range<usize> {
        if numbers == 0 {
            return 0..0;
        }
        let size = numbers.next_multiple_of(LINE);
        let mut begin = 0;
        let mut best: Option<(usize, usize)> = None;
        for (position, (range, _)) in self.taken.iter().enumerate() {
            let gap = range.start - begin;
            if gap >= size && best.is_none_or(|(best, _)| gap < self.gap(best)) {
                best = Some((position, begin));
            }
            begin = range.end;
        }
        let (position, begin) = best.unwrap_or((self.taken.len(), begin));
        self.taken.insert(position, (begin..begin + size, last_read));
        self.end = self.end.max(begin + size);
        begin..begin + numbers
    }

    /// Size of the gap before what is taken at a position.
    fn gap(&self, position: usize) -> usize {
        let begin = position.checked_sub(1).map_or(0, |before| self.taken[before].0.end);
        self.taken[position].0.start - begin
    }
}

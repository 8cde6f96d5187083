//! Maps made larger, each number as often as it has to be, and sums of those with others.

use super::dense::Maps;
use super::lanes;
use crate::Instructions;
use crate::network::lanes::{Lanes, with_lanes};

/// Makes so many rows and columns of each number, and adds a map to them or none.
#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Upsample {
    pub(in crate::network) factors: [usize; 2],
}

impl Upsample {
    /// # Panics
    /// When the maps are shorter than their shapes say, or other than the layer reads and gives.
    pub(in crate::network) fn run(&self, instructions: Instructions, maps: &mut Maps<'_>) {
        assert!(instructions.are_available());
        let [channels, height, width] = maps.shape;
        assert_eq!(maps.size, [height * self.factors[0], width * self.factors[1]]);
        assert!(maps.are_whole());
        maps.check(lanes(instructions), channels, [1; 2]);
        // SAFETY: the CPU has the instructions, and the maps are as long as their shapes say.
        unsafe { upsample(instructions, self, maps) };
    }
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`Upsample::run`] checks.
    upsample = run_upsample(layer: &Upsample, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_upsample<L: Lanes>(layer: &Upsample, maps: &mut Maps<'_>) {
    let [channels, height, width] = maps.shape;
    let [rows, columns] = maps.size;
    let [row_factor, column_factor] = layer.factors;
    let residual_blocks = maps.residual.map_or(0, |(_, channels)| channels / L::LANES);
    for block in 0..channels.div_ceil(L::LANES) {
        let residual = maps.residual.filter(|_| block < residual_blocks);
        for row in 0..rows {
            let (from, to) = ((block * height + row / row_factor) * width, (block * rows + row) * columns);
            // SAFETY: the block and the row are within both maps and the residual, whose lengths `Upsample::run` checked;
            // a row has as many columns as the input's, times the factor.
            unsafe {
                for column in 0..width {
                    let x = L::load(maps.x.as_ptr().add((from + column) * L::LANES));
                    for copy in 0..column_factor {
                        let place = (to + column * column_factor + copy) * L::LANES;
                        let y = match residual {
                            Some((residual, _)) => L::add(x, L::load(residual.as_ptr().add(place))),
                            None => x,
                        };
                        L::store(maps.y.as_mut_ptr().add(place), y);
                    }
                }
            }
        }
    }
}

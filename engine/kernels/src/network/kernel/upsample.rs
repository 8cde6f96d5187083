//! Maps made larger, each number as often as it has to be, and sums of those with others.

use super::dense::Maps;
use super::lanes;
use crate::Instructions;
use crate::network::lanes::{Lanes, Pieces, Put, Single, with_lanes};

/// Makes so many rows and columns of each number, and adds a map to them or none.
#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Upsample {
    pub(in crate::network) factors: [usize; 2],
    /// In which pieces it gives its map: f32, or those for tiles.
    pub(in crate::network) gives: Pieces,
}

impl Upsample {
    /// # Panics
    /// When the maps are shorter than their shapes say, or other than the layer reads and gives.
    pub(in crate::network) fn run(&self, instructions: Instructions, maps: &mut Maps<'_>) {
        assert!(instructions.are_available());
        let [channels, height, width] = maps.shape;
        assert_eq!(maps.size, [height * self.factors[0], width * self.factors[1]]);
        assert!(maps.band.x_rows == (0..height) && maps.band.x_room == height);
        maps.check(lanes(instructions), channels, [1, self.gives.channels()]);
        assert!(self.gives == Pieces::F32 || instructions == Instructions::Amx && self.gives.are_for_tiles());
        // SAFETY: the CPU has the instructions, and the maps are as long as their shapes say.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if self.gives.are_for_tiles() {
                use crate::network::Precision;
                use crate::network::lanes::{Bf16, Halves, Int8};
                return match (self.gives.precision, self.gives.blocks_together()) {
                    (Precision::F32, 1) => upsample_for_tiles::<Halves<1>>(self, maps),
                    (Precision::F32, _) => upsample_for_tiles::<Halves<2>>(self, maps),
                    (Precision::Bf16, _) => upsample_for_tiles::<Bf16>(self, maps),
                    (Precision::Int8, _) => upsample_for_tiles::<Int8>(self, maps),
                };
            }
            upsample(instructions, self, maps);
        }
    }
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`Upsample::run`] checks.
    upsample = run_upsample_single(layer: &Upsample, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_upsample_single<L: Lanes>(layer: &Upsample, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe { run_upsample::<Single<L>>(layer, maps) }
}

/// # Safety
/// As `upsample`, on a CPU with AMX, which has all of these.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni,fma")]
unsafe fn upsample_for_tiles<T: Put>(layer: &Upsample, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word; the instructions are enabled.
    unsafe { run_upsample::<T>(layer, maps) }
}

#[inline(always)]
unsafe fn run_upsample<T: Put>(layer: &Upsample, maps: &mut Maps<'_>) {
    let lanes = const { T::Lanes::LANES };
    let pixel_step = T::PIXEL_STEP.unwrap_or(layer.gives.of_pixel(lanes));
    let [channels, height, width] = maps.shape;
    let [rows, columns] = maps.size;
    let [row_factor, column_factor] = layer.factors;
    let residual_blocks = maps.residual.map_or(0, |(_, channels)| channels / lanes);
    for block in 0..channels.div_ceil(lanes) {
        let y_block = layer.gives.place(lanes, block, maps.band.y_room * columns);
        let residual = maps.residual.filter(|_| block < residual_blocks);
        for row in maps.band.rows.clone() {
            let from = (block * height + row / row_factor) * width;
            let (residual_row, y_row) = ((block * rows + row) * columns, maps.band.y_place(row) * columns);
            // SAFETY: the block and the row are within both maps and the residual, whose lengths `Upsample::run` checked;
            // a row has as many columns as the input's, times the factor.
            unsafe {
                for column in 0..width {
                    let x = T::Lanes::load(maps.x.as_ptr().add((from + column) * lanes));
                    for copy in 0..column_factor {
                        let column = column * column_factor + copy;
                        let y = match residual {
                            Some((residual, _)) => {
                                let place = (residual_row + column) * lanes;
                                T::Lanes::add(x, T::Lanes::load(residual.as_ptr().add(place)))
                            }
                            None => x,
                        };
                        let place = y_block + (y_row + column) * pixel_step;
                        T::put(y, maps.y.as_mut_ptr().add(place), layer.gives.steps);
                    }
                }
            }
        }
    }
}

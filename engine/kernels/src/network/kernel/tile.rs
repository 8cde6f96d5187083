//! The innermost loops of convolutions: sums for a few pixels and blocks of channels, all in registers.

// Sums are counted by constants, so that each is in a register of its own.
#![allow(clippy::needless_range_loop)]

use super::finish::{BendAt, with_bend};
use crate::network::lanes::{Lanes, Products, Put, Register};

/// What a tile sums: for each row and column of the window, blocks of inputs, in each its pieces one after the other.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    /// The first pixel's first piece. A pixel's pieces of a block are together, and so are the pixels of a tile.
    pub(super) x: *const f32,
    /// Rows and columns of the window.
    pub(super) window: [usize; 2],
    /// From a row and a column of the window to the next.
    pub(super) window_steps: [usize; 2],
    /// Blocks of inputs.
    pub(super) blocks: usize,
    /// From a block to the next.
    pub(super) block_step: usize,
    /// Pieces of a pixel in a block, and in the last.
    pub(super) pieces: [usize; 2],
    /// For each piece in the order of the sum, the weights of a block of outputs.
    pub(super) weights: *const f32,
    /// From those of a row and a column of the window to the next.
    pub(super) weights_steps: [usize; 2],
    /// From the weights of a block of outputs to those of the next.
    pub(super) weights_step: usize,
}

/// Where sums begin and end up.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    /// What sums begin with, for each output of the tile: the bias where they are f32.
    pub(super) starts: *const f32,
    /// For each output of the tile; not read where sums are the numbers themselves.
    pub(super) bias: *const f32,
    /// Likewise.
    pub(super) scales: *const f32,
    /// What is added, for the tile's first pixel and block.
    pub(super) residual: *const f32,
    /// From a block to the next.
    pub(super) residual_step: usize,
    /// Blocks of the tile that have something added. 0: `residual` is not read.
    pub(super) residual_blocks: usize,
    pub(super) bend: BendAt<'a>,
    /// Index of the tile's first block.
    pub(super) block: usize,
    pub(super) y: *mut f32,
    /// From a block to the next; from two that are together to the next two.
    pub(super) y_step: usize,
}

/// Registers of weights that are asked for ahead. Where maps are small, most of the time goes into reading weights.
const AHEAD: usize = 32;

/// Blocks of outputs for a tile of so many pixels, when there are so many left.
#[inline(always)]
pub(super) fn blocks_at_once<L: Lanes>(pixels: usize, left: usize) -> usize {
    for blocks in [8, 4, 2] {
        if blocks <= left && fits::<L>(pixels, blocks) {
            return blocks;
        }
    }
    1
}

/// Whether the sums of a tile fit into the registers, beside the weights of a channel and one input.
const fn fits<L: Lanes>(pixels: usize, blocks: usize) -> bool {
    pixels * blocks + blocks < L::REGISTERS
}

/// A map of 4×4, which is one tile for one block where there are registers: with two tiles its weights, which are many
/// where maps are small, would be read twice.
pub(super) const WIDE_PIXELS: usize = 16;

/// Whether the sums of such a tile fit into the registers.
pub(super) const fn has_wide_tile<L: Lanes>() -> bool {
    fits::<L>(WIDE_PIXELS, 1)
}

/// Calls `$function` with the constants `P` and `B` for so many pixels and blocks.
macro_rules! with_tile {
    ($products:ty, $pixels:expr, $blocks:expr, $function:ident $arguments:tt) => {
        match $blocks {
            8 => with_tile!(@ $products, $pixels, 8, $function $arguments, 1 2 3),
            4 => with_tile!(@ $products, $pixels, 4, $function $arguments, 1 2 3 4 5 6),
            2 => with_tile!(@ $products, $pixels, 2, $function $arguments, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            _ => with_tile!(@ $products, $pixels, 1, $function $arguments, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 16),
        }
    };
    (@ $products:ty, $pixels:expr, $blocks:literal, $function:ident $arguments:tt, $($count:literal)*) => {
        match $pixels {
            $($count if const { $crate::network::kernel::tile::is_used::<$products>($count, $blocks) } =>
                with_tile!(% $products, $count, $blocks, $function $arguments),)*
            _ => unreachable!("a tile of {} pixels and {} blocks", $pixels, $blocks),
        }
    };
    (% $products:ty, $count:literal, $blocks:literal, $function:ident ($($argument:expr),*)) => {
        $function::<$products, $count, $blocks>($($argument),*)
    };
}
pub(super) use with_tile;

/// Whether [`blocks_at_once`] leads to such a tile. The others are not compiled.
pub(super) const fn is_used<T: Put>(pixels: usize, blocks: usize) -> bool {
    (pixels <= T::Lanes::PIXELS || blocks == 1 && pixels == WIDE_PIXELS && has_wide_tile::<T::Lanes>())
        && (blocks == 1 || fits::<T::Lanes>(pixels, blocks))
}

/// # Safety
/// The CPU has the instructions; all that `sum` and `finish` lead to, for `P` pixels and `B` blocks, can be read and
/// written.
#[inline(always)]
pub(super) unsafe fn sum<T: Products, const P: usize, const B: usize>(sum: &Sum, finish: &Finish<'_>) {
    // SAFETY: the caller's word.
    unsafe {
        let mut sums = begin::<T, P, B>(finish);
        for row in 0..sum.window[0] {
            for column in 0..sum.window[1] {
                let mut weights = sum.weights.add(row * sum.weights_steps[0] + column * sum.weights_steps[1]);
                let x = sum.x.add(row * sum.window_steps[0] + column * sum.window_steps[1]);
                for block in 0..sum.blocks {
                    let x = x.add(block * sum.block_step);
                    let pieces = sum.pieces[usize::from(block + 1 == sum.blocks)];
                    for piece in 0..pieces {
                        let pixel_step = T::Lanes::LANES / T::CHANNELS;
                        step::<T, P, B>(&mut sums, x.add(piece), pixel_step, weights, sum.weights_step);
                        weights = weights.add(T::WEIGHTS);
                    }
                }
            }
        }
        end::<T, P, B>(sums, finish);
    }
}

/// What sums begin with.
///
/// # Safety
/// As for [`sum`].
#[inline(always)]
pub(super) unsafe fn begin<T: Products, const P: usize, const B: usize>(finish: &Finish<'_>) -> [[Register<T>; B]; P] {
    // SAFETY: the caller's word.
    unsafe {
        let mut sums = [[T::Lanes::splat(0.0); B]; P];
        for block in 0..B {
            let start = T::Lanes::load(finish.starts.add(block * T::Lanes::LANES));
            for sums in &mut sums {
                sums[block] = start;
            }
        }
        sums
    }
}

/// Adds the products of one piece of each pixel, `pixel_step` pieces from the one to the next.
///
/// # Safety
/// As for [`sum`].
#[inline(always)]
pub(super) unsafe fn step<T: Products, const P: usize, const B: usize>(
    sums: &mut [[Register<T>; B]; P],
    x: *const f32,
    pixel_step: usize,
    weights: *const f32,
    weights_step: usize,
) {
    // SAFETY: the caller's word.
    unsafe {
        let mut block_weights = [T::Lanes::splat(0.0); B];
        for block in 0..B {
            block_weights[block] = T::weights(weights.add(block * weights_step));
            T::Lanes::prefetch(weights.wrapping_add(block * weights_step + AHEAD * T::WEIGHTS));
        }
        for pixel in 0..P {
            let x = T::Lanes::splat(*x.add(pixel * pixel_step));
            for block in 0..B {
                sums[pixel][block] = T::add_products(x, block_weights[block], sums[pixel][block]);
            }
        }
    }
}

/// Adds the residual, bends, and stores.
///
/// # Safety
/// As for [`sum`].
#[inline(always)]
unsafe fn end<T: Products, const P: usize, const B: usize>(mut sums: [[Register<T>; B]; P], finish: &Finish<'_>) {
    let lanes = const { T::Lanes::LANES };
    // SAFETY: the caller's word.
    unsafe {
        for block in 0..B {
            let (scales, bias) = (finish.scales.wrapping_add(block * lanes), finish.bias.wrapping_add(block * lanes));
            for pixel in 0..P {
                sums[pixel][block] = T::end(sums[pixel][block], scales, bias);
            }
            if block < finish.residual_blocks {
                for pixel in 0..P {
                    let residual = T::Lanes::load(finish.residual.add(block * finish.residual_step + pixel * lanes));
                    sums[pixel][block] = T::Lanes::add(sums[pixel][block], residual);
                }
            }
        }
        with_bend!(finish.bend, bend => store::<T, P, B>(sums, finish, bend));
    }
}

/// # Safety
/// As for [`sum`].
#[inline(always)]
unsafe fn store<T: Products, const P: usize, const B: usize>(
    sums: [[Register<T>; B]; P],
    finish: &Finish<'_>,
    bend: BendAt<'_>,
) {
    // SAFETY: the caller's word.
    unsafe {
        for block in 0..B {
            for pixel in 0..P {
                let y = bend.apply::<T::Lanes>(finish.block + block, sums[pixel][block]);
                T::give(y, finish.y.add(T::block_place(block, finish.y_step) + pixel * T::Lanes::LANES));
            }
        }
    }
}

/// Parts of rows of pixels in tiles of nearly one size, none larger than `most`.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    /// Of all rows.
    pub(super) count: usize,
    /// Of a row.
    of_row: usize,
    row: usize,
    size: usize,
    larger: usize,
}

impl Tiles {
    pub(super) fn new(rows: usize, columns: usize, most: usize) -> Self {
        let of_row = columns.div_ceil(most);
        let (size, larger) = (columns / of_row.max(1), columns % of_row.max(1));
        Self { count: rows * of_row, of_row, row: columns, size, larger }
    }

    /// First pixel, counted over all rows, and size of a tile.
    #[inline(always)]
    pub(super) fn get(self, tile: usize) -> (usize, usize) {
        let (row, tile) = (tile / self.of_row, tile % self.of_row);
        (row * self.row + tile * self.size + tile.min(self.larger), self.size + usize::from(tile < self.larger))
    }

    /// How many from this one on, in its row, are of its size.
    #[inline(always)]
    pub(super) fn of_one_size(self, tile: usize) -> usize {
        let tile = tile % self.of_row;
        if tile < self.larger { self.larger - tile } else { self.of_row - tile }
    }

    /// Size of the largest.
    #[inline(always)]
    pub(super) fn largest(self) -> usize {
        self.size + usize::from(self.larger > 0)
    }
}

//! Greatest and mean numbers of windows.

use std::ops::Range;

use super::dense::Maps;
use super::depthwise::{whole, within};
use super::{blocked_numbers, lanes};
use crate::Instructions;
use crate::network::bands::Band;
use crate::network::graph::Window;
use crate::network::lanes::{Lanes, with_lanes};

/// What a pool takes of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::network) enum Taken {
    Greatest,
    Mean { count_padding: bool },
}

/// A pool.
#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Pool {
    pub(in crate::network) window: Window,
    pub(in crate::network) taken: Taken,
}

impl Pool {
    /// # Panics
    /// When the maps are shorter than their shapes say, or other than the pool reads and gives.
    pub(in crate::network) fn run(&self, instructions: Instructions, maps: &mut Maps<'_>) {
        assert!(instructions.are_available());
        let lanes = lanes(instructions);
        let [channels, height, width] = maps.shape;
        assert_eq!(self.window.count([height, width]), Ok(maps.size));
        maps.check(lanes, channels, [1; 2]);
        // Its windows have no rows that are not together.
        assert!(maps.band.x_rows == (0..height) && maps.band.x_room == height);
        // SAFETY: the CPU has the instructions, and the maps are as long as their shapes say.
        unsafe { pool(instructions, self, maps) };
    }
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`Pool::run`] checks.
    pool = run_pool(layer: &Pool, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_pool<L: Lanes>(layer: &Pool, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe {
        match layer.window {
            Window { kernel: [2, 2], dilation: [1, 1], .. } => run_kernel::<L, 2>(layer, maps),
            Window { kernel: [3, 3], dilation: [1, 1], .. } => run_kernel::<L, 3>(layer, maps),
            _ => run_kernel::<L, 0>(layer, maps),
        }
    }
}

/// `K` is the side of a square kernel without dilation, 0 for another.
#[inline(always)]
unsafe fn run_kernel<L: Lanes, const K: usize>(layer: &Pool, maps: &mut Maps<'_>) {
    let [channels, height, width] = maps.shape;
    let columns = maps.size[1];
    let Band { x_room, y_room, rows, .. } = maps.band.clone();
    let Window { kernel, stride, dilation, padding, .. } = layer.window;
    let (bottom, right) = (height + padding.bottom, width + padding.right);
    // Columns whose windows are within the map.
    let inner = whole(columns, width, kernel[1], stride[1], dilation[1], padding.left);
    for block in 0..channels.div_ceil(L::LANES) {
        for row in rows.clone() {
            let y_place = maps.band.y_place(row);
            let top = row * stride[0];
            let kernel_rows = within(top, kernel[0], dilation[0], padding.top, height);
            let padded_rows = within(top, kernel[0], dilation[0], padding.top, bottom).end;
            let is_plain = K > 0 && layer.taken == Taken::Greatest && kernel_rows.len() == K;
            let plain = if is_plain { inner.clone() } else { 0..0 };
            if !plain.is_empty() {
                let y = top - padding.top;
                let x = plain.start * stride[1] - padding.left;
                // SAFETY: as below; all these windows are within the map.
                unsafe {
                    let from = maps.x.as_ptr().add(((block * x_room + y) * width + x) * L::LANES);
                    let place = (block * y_room + y_place) * columns + plain.start;
                    let to = maps.y.as_mut_ptr().add(place * L::LANES);
                    for column in 0..plain.len() {
                        let window = from.add(column * stride[1] * L::LANES);
                        let pixel = greatest::<L>(window, 0..K, 0..K, [width * L::LANES, L::LANES]);
                        L::store(to.add(column * L::LANES), pixel);
                    }
                }
            }
            for column in (0..plain.start).chain(plain.end..columns) {
                let left = column * stride[1];
                let kernel_columns = within(left, kernel[1], dilation[1], padding.left, width);
                // SAFETY: rows and columns that are `within` the map are in the input, among the rows that are there, and
                // the pixel is in the output; `Pool::run` checked their lengths.
                unsafe {
                    let map = maps.x.as_ptr().add(block * x_room * width * L::LANES);
                    let y = (top + kernel_rows.start * dilation[0]).saturating_sub(padding.top);
                    let x = (left + kernel_columns.start * dilation[1]).saturating_sub(padding.left);
                    let place = map.wrapping_add((y * width + x) * L::LANES);
                    let steps = [dilation[0] * width * L::LANES, dilation[1] * L::LANES];
                    let whole = K > 0 && kernel_rows.len() == K && kernel_columns.len() == K;
                    let (kernel_rows, kernel_columns) = (kernel_rows.len(), kernel_columns.len());
                    let pixel = match layer.taken {
                        Taken::Greatest if whole => greatest::<L>(place, 0..K, 0..K, [width * L::LANES, L::LANES]),
                        Taken::Greatest => greatest::<L>(place, 0..kernel_rows, 0..kernel_columns, steps),
                        Taken::Mean { count_padding } => {
                            let places = if count_padding {
                                padded_rows * within(left, kernel[1], dilation[1], padding.left, right).end
                            } else {
                                kernel_rows * kernel_columns
                            };
                            let sum = if whole {
                                total::<L>(place, 0..K, 0..K, [width * L::LANES, L::LANES])
                            } else {
                                total::<L>(place, 0..kernel_rows, 0..kernel_columns, steps)
                            };
                            L::multiply(sum, L::splat(1.0 / places as f32))
                        }
                    };
                    let place = ((block * y_room + y_place) * columns + column) * L::LANES;
                    L::store(maps.y.as_mut_ptr().add(place), pixel);
                }
            }
        }
    }
}

/// # Safety
/// The CPU has the instructions; all places can be read.
#[inline(always)]
unsafe fn greatest<L: Lanes>(
    map: *const f32,
    rows: Range<usize>,
    columns: Range<usize>,
    steps: [usize; 2],
) -> L::Register {
    // SAFETY: the caller's word.
    unsafe {
        let mut greatest = L::splat(f32::MIN);
        for row in rows {
            for column in columns.clone() {
                greatest = L::max(greatest, L::load(map.add(row * steps[0] + column * steps[1])));
            }
        }
        greatest
    }
}

/// # Safety
/// The CPU has the instructions; all places can be read.
#[inline(always)]
unsafe fn total<L: Lanes>(
    map: *const f32,
    rows: Range<usize>,
    columns: Range<usize>,
    steps: [usize; 2],
) -> L::Register {
    // SAFETY: the caller's word.
    unsafe {
        let mut total = L::splat(0.0);
        for row in rows {
            for column in columns.clone() {
                total = L::add(total, L::load(map.add(row * steps[0] + column * steps[1])));
            }
        }
        total
    }
}

/// The mean of each channel of a map of `pixels`.
///
/// # Panics
/// When the maps are shorter than that.
pub(in crate::network) fn mean(instructions: Instructions, channels: usize, pixels: usize, x: &[f32], y: &mut [f32]) {
    assert!(instructions.are_available());
    let lanes = lanes(instructions);
    assert!(pixels > 0 && x.len() >= blocked_numbers(lanes, [channels, pixels, 1]));
    assert!(y.len() >= blocked_numbers(lanes, [channels, 1, 1]));
    // SAFETY: the CPU has the instructions, and the maps are that long.
    unsafe { all_mean(instructions, channels.div_ceil(lanes), pixels, x, y) };
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`mean`] checks.
    all_mean = run_mean(blocks: usize, pixels: usize, x: &[f32], y: &mut [f32])
}

#[inline(always)]
unsafe fn run_mean<L: Lanes>(blocks: usize, pixels: usize, x: &[f32], y: &mut [f32]) {
    for block in 0..blocks {
        // SAFETY: `x` has `pixels` pixels a block, `y` one.
        unsafe {
            let sum = total::<L>(x.as_ptr().add(block * pixels * L::LANES), 0..1, 0..pixels, [0, L::LANES]);
            L::store(y.as_mut_ptr().add(block * L::LANES), L::multiply(sum, L::splat(1.0 / pixels as f32)));
        }
    }
}

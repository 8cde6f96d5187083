//! Convolutions of each channel by itself.

// Sums are counted by constants, so that each is in a register of its own.
#![allow(clippy::needless_range_loop)]

use super::dense::Maps;
use super::finish::{Bend, BendAt, per_channel};
use super::{blocked_numbers, lanes};
use crate::Instructions;
use crate::network::graph::Window;
use crate::network::lanes::{Lanes, with_lanes};
use crate::network::memory::Memory;

/// A depthwise convolution with its weights packed.
#[derive(Debug, Clone)]
pub(in crate::network) struct Depthwise {
    pub(in crate::network) channels: usize,
    pub(in crate::network) window: Window,
    /// `[channels / lanes][kernel rows][kernel columns][lanes]`.
    weights: Memory,
    /// In blocks.
    bias: Memory,
    pub(in crate::network) bend: Bend,
}

impl Depthwise {
    /// From weights `[channels, 1, rows, columns]` and a bias of as many numbers as channels, or none.
    pub(in crate::network) fn new(
        instructions: Instructions,
        channels: usize,
        window: Window,
        weights: &[f32],
        bias: &[f32],
        bend: Bend,
    ) -> Self {
        let lanes = lanes(instructions);
        let taps = window.kernel[0] * window.kernel[1];
        assert_eq!(weights.len(), channels * taps, "weights");
        let mut packed = Memory::zeros(channels.next_multiple_of(lanes) * taps);
        for channel in 0..channels {
            for tap in 0..taps {
                let place = (channel / lanes * taps + tap) * lanes + channel % lanes;
                packed.numbers_mut()[place] = weights[channel * taps + tap];
            }
        }
        assert!(bend.fits(channels.div_ceil(lanes), lanes), "slopes");
        Self { channels, window, weights: packed, bias: per_channel(bias, channels, lanes), bend }
    }

    pub(in crate::network) fn weight_bytes(&self) -> usize {
        size_of_val(self.weights.numbers())
    }

    /// # Panics
    /// When the maps are shorter than their shapes say, or other than the convolution reads and gives.
    pub(in crate::network) fn run(&self, instructions: Instructions, maps: &mut Maps<'_>) {
        assert!(instructions.are_available());
        let lanes = lanes(instructions);
        let [channels, height, width] = maps.shape;
        let output = [channels, maps.size[0], maps.size[1]];
        assert_eq!(channels, self.channels);
        assert_eq!(self.window.count([height, width]), Ok(maps.size));
        assert!(maps.x.len() >= blocked_numbers(lanes, maps.shape));
        assert!(maps.y.len() >= blocked_numbers(lanes, output));
        if let Some((residual, channels)) = maps.residual {
            assert!(channels <= self.channels.next_multiple_of(lanes));
            assert!(residual.len() >= blocked_numbers(lanes, [channels, output[1], output[2]]));
        }
        // SAFETY: the CPU has the instructions, and the maps are as long as their shapes say.
        unsafe { depthwise(instructions, self, maps) };
    }
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`Depthwise::run`] checks.
    depthwise = run_depthwise(layer: &Depthwise, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_depthwise<L: Lanes>(layer: &Depthwise, maps: &mut Maps<'_>) {
    let [channels, height, width] = maps.shape;
    let [rows, columns] = maps.size;
    let Window { kernel, stride, dilation, padding, .. } = layer.window;
    let taps = kernel[0] * kernel[1];
    let residual_blocks = maps.residual.map_or(0, |(_, channels)| channels / L::LANES);
    // Columns whose windows are within the map.
    let inner = whole(columns, width, kernel[1], stride[1], dilation[1], padding.left);
    for block in 0..channels.div_ceil(L::LANES) {
        for row in 0..rows {
            let top = row * stride[0];
            let kernel_rows = within(top, kernel[0], dilation[0], padding.top, height);
            // SAFETY: the block, the row and the column are within the output and the residual, whose lengths
            // `Depthwise::run` checked; so are the rows and columns of the windows within the input, as `within` and
            // `whole` say; a row of the window that is outside is never pointed to.
            unsafe {
                let output = ((block * rows + row) * columns) * L::LANES;
                let map_rows = maps.x.as_ptr().add(block * height * width * L::LANES);
                let weights = layer.weights.numbers().as_ptr().add(block * taps * L::LANES);
                let mut job = Row {
                    map: map_rows,
                    top: (top + kernel_rows.start * dilation[0]).saturating_sub(padding.top),
                    width,
                    rows: kernel_rows.len(),
                    row_step: dilation[0] * width * L::LANES,
                    kernel_columns: 0..kernel[1],
                    dilation: dilation[1],
                    weights: weights.add(kernel_rows.start * kernel[1] * L::LANES),
                    weights_step: kernel[1] * L::LANES,
                    bias: L::load(layer.bias.numbers().as_ptr().add(block * L::LANES)),
                    residual: match maps.residual {
                        Some((residual, _)) if block < residual_blocks => residual.as_ptr().add(output),
                        _ => std::ptr::null(),
                    },
                    bend: layer.bend.at(),
                    block,
                    y: maps.y.as_mut_ptr().add(output),
                };
                for column in (0..inner.start).chain(inner.end..columns) {
                    let left = column * stride[1];
                    job.kernel_columns = within(left, kernel[1], dilation[1], padding.left, width);
                    let first = (left + job.kernel_columns.start * dilation[1]).saturating_sub(padding.left);
                    pixels::<L, 1, 0>(&job, column, first, stride[1]);
                }
                job.kernel_columns = 0..kernel[1];
                let mut column = inner.start;
                while column < inner.end {
                    let first = column * stride[1] - padding.left;
                    let left = inner.end - column;
                    column += match stride[1] {
                        1 if kernel[1] == 3 && dilation[1] == 1 && left >= 4 => sliding::<L>(&job, column, first, left),
                        1 => some_pixels::<L, 1>(&job, column, first, 1, left),
                        2 => some_pixels::<L, 2>(&job, column, first, 2, left),
                        stride => some_pixels::<L, 0>(&job, column, first, stride, left),
                    };
                }
            }
        }
    }
}

/// The rows or columns of a window that are within a map of `side`, for a window that begins at `begin` of the padded map.
#[inline(always)]
pub(super) fn within(
    begin: usize,
    kernel: usize,
    dilation: usize,
    padding: usize,
    side: usize,
) -> std::ops::Range<usize> {
    let before = padding.saturating_sub(begin).div_ceil(dilation).min(kernel);
    let end = (side + padding).saturating_sub(begin).div_ceil(dilation).min(kernel);
    before..end.max(before)
}

/// The outputs along an axis whose windows are within a map of `side`.
#[inline(always)]
fn whole(
    outputs: usize,
    side: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
) -> std::ops::Range<usize> {
    let first = padding.div_ceil(stride).min(outputs);
    let extent = dilation * (kernel - 1) + 1;
    let end = match (side + padding).checked_sub(extent) {
        Some(room) => (room / stride + 1).min(outputs),
        None => 0,
    };
    first..end.max(first)
}

/// A row of the output, and the rows of the map that it is made of.
struct Row<'a, R> {
    map: *const f32,
    /// The first row of the map that is read.
    top: usize,
    width: usize,
    /// Rows of the window.
    rows: usize,
    row_step: usize,
    kernel_columns: std::ops::Range<usize>,
    dilation: usize,
    weights: *const f32,
    weights_step: usize,
    bias: R,
    residual: *const f32,
    bend: BendAt<'a>,
    block: usize,
    y: *mut f32,
}

/// Runs as many pixels as are best at once of those `left`, and says how many.
///
/// # Safety
/// As for [`pixels`].
#[inline(always)]
unsafe fn some_pixels<L: Lanes, const S: usize>(
    job: &Row<'_, L::Register>,
    column: usize,
    first: usize,
    stride: usize,
    left: usize,
) -> usize {
    // SAFETY: the caller's word.
    unsafe {
        match left {
            8.. if L::REGISTERS >= 16 => {
                pixels::<L, 8, S>(job, column, first, stride);
                8
            }
            4.. => {
                pixels::<L, 4, S>(job, column, first, stride);
                4
            }
            2.. => {
                pixels::<L, 2, S>(job, column, first, stride);
                2
            }
            _ => {
                pixels::<L, 1, S>(job, column, first, stride);
                1
            }
        }
    }
}

/// Windows of three columns, one after the other: each number of the map is read once a row. Runs as many pixels as are
/// best at once, and says how many.
///
/// # Safety
/// As for [`pixels`], for windows of three columns, all on the map.
#[inline(always)]
unsafe fn sliding<L: Lanes>(job: &Row<'_, L::Register>, column: usize, first: usize, left: usize) -> usize {
    // SAFETY: the caller's word.
    unsafe {
        if left >= 14 && L::REGISTERS >= 32 {
            slide::<L, 14>(job, column, first);
            return 14;
        }
        if left >= 7 && L::REGISTERS >= 16 {
            slide::<L, 7>(job, column, first);
            return 7;
        }
        slide::<L, 4>(job, column, first);
        4
    }
}

/// # Safety
/// As for [`sliding`], for `P` pixels.
#[inline(always)]
unsafe fn slide<L: Lanes, const P: usize>(job: &Row<'_, L::Register>, column: usize, first: usize) {
    // SAFETY: the caller's word.
    unsafe {
        let mut sums = [job.bias; P];
        for row in 0..job.rows {
            let x = job.map.add((job.top * job.width + first) * L::LANES + row * job.row_step);
            let weights = job.weights.add(row * job.weights_step);
            let weights = [L::load(weights), L::load(weights.add(L::LANES)), L::load(weights.add(2 * L::LANES))];
            let (mut before, mut here) = (L::load(x), L::load(x.add(L::LANES)));
            for pixel in 0..P {
                let after = L::load(x.add((pixel + 2) * L::LANES));
                sums[pixel] = L::multiply_add(before, weights[0], sums[pixel]);
                sums[pixel] = L::multiply_add(here, weights[1], sums[pixel]);
                sums[pixel] = L::multiply_add(after, weights[2], sums[pixel]);
                (before, here) = (here, after);
            }
        }
        finish::<L, P>(job, column, sums);
    }
}

/// `P` pixels from `column` on, whose first window's first column that is read is `first`. `S` is the stride, 0 for
/// another.
///
/// # Safety
/// The CPU has the instructions; the rows and columns are within the map, and the pixels within the output.
#[inline(always)]
unsafe fn pixels<L: Lanes, const P: usize, const S: usize>(
    job: &Row<'_, L::Register>,
    column: usize,
    first: usize,
    stride: usize,
) {
    let stride = if S == 0 { stride } else { S };
    // SAFETY: the caller's word.
    unsafe {
        let mut sums = [job.bias; P];
        for row in 0..job.rows {
            // Read only where the window has columns on the map.
            let x = job.map.wrapping_add((job.top * job.width + first) * L::LANES + row * job.row_step);
            let weights = job.weights.add(row * job.weights_step);
            for (place, kernel_column) in job.kernel_columns.clone().enumerate() {
                let weight = L::load(weights.add(kernel_column * L::LANES));
                for pixel in 0..P {
                    let x = L::load(x.wrapping_add((pixel * stride + place * job.dilation) * L::LANES));
                    sums[pixel] = L::multiply_add(x, weight, sums[pixel]);
                }
            }
        }
        finish::<L, P>(job, column, sums);
    }
}

/// Adds the residual, bends, and stores.
///
/// # Safety
/// As for [`pixels`].
#[inline(always)]
unsafe fn finish<L: Lanes, const P: usize>(job: &Row<'_, L::Register>, column: usize, mut sums: [L::Register; P]) {
    // SAFETY: the caller's word.
    unsafe {
        for pixel in 0..P {
            let place = (column + pixel) * L::LANES;
            if !job.residual.is_null() {
                sums[pixel] = L::add(sums[pixel], L::load(job.residual.add(place)));
            }
            L::store(job.y.add(place), job.bend.apply::<L>(job.block, sums[pixel]));
        }
    }
}

//! Convolutions over an image as it comes, `[channels, height, width]`: few channels, so that the windows' columns are
//! what is together.

use super::blocked_numbers;
use super::dense::Maps;
use super::finish::{Bend, per_channel};
use super::lanes;
use super::tile::{Finish, Tiles, begin, blocks_at_once, end, step, with_tile};
use crate::Instructions;
use crate::network::graph::{Padding, Window};
use crate::network::lanes::{Lanes, Products, Single, with_lanes};
use crate::network::memory::Memory;

/// A convolution with its weights packed.
#[derive(Debug, Clone)]
pub(in crate::network) struct First {
    pub(in crate::network) inputs: usize,
    pub(in crate::network) outputs: usize,
    pub(in crate::network) window: Window,
    /// `[outputs / lanes][inputs][kernel rows][kernel columns][lanes]`.
    weights: Memory,
    /// In blocks.
    bias: Memory,
    pub(in crate::network) bend: Bend,
}

impl First {
    /// From weights `[outputs, inputs, rows, columns]` and a bias of as many numbers as outputs, or none.
    pub(in crate::network) fn new(
        instructions: Instructions,
        [inputs, outputs]: [usize; 2],
        window: Window,
        weights: &[f32],
        bias: &[f32],
        bend: Bend,
    ) -> Self {
        let lanes = lanes(instructions);
        let terms = inputs * window.kernel[0] * window.kernel[1];
        assert_eq!(weights.len(), outputs * terms, "weights");
        let mut packed = Memory::zeros(outputs.next_multiple_of(lanes) * terms);
        for output in 0..outputs {
            for term in 0..terms {
                let place = (output / lanes * terms + term) * lanes + output % lanes;
                packed.numbers_mut()[place] = weights[output * terms + term];
            }
        }
        assert!(bend.fits(outputs.div_ceil(lanes), lanes), "slopes");
        Self { inputs, outputs, window, weights: packed, bias: per_channel(bias, outputs, lanes), bend }
    }

    pub(in crate::network) fn weight_bytes(&self) -> usize {
        size_of_val(self.weights.numbers())
    }

    /// Height and width with the padding.
    fn padded(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        let Padding { top, left, bottom, right } = self.window.padding;
        [height + top + bottom, width + left + right]
    }

    /// Numbers of scratch for a run: the image with its padding, where it has one.
    pub(in crate::network) fn scratch_numbers(&self, size: [usize; 2]) -> usize {
        let [height, width] = self.padded(size);
        if [height, width] == size { 0 } else { self.inputs * height * width }
    }

    /// # Panics
    /// When the maps are shorter than their shapes say, or other than the convolution reads and gives.
    pub(in crate::network) fn run(&self, instructions: Instructions, maps: &mut Maps<'_>) {
        assert!(instructions.are_available());
        let lanes = lanes(instructions);
        let [channels, height, width] = maps.shape;
        assert_eq!(channels, self.inputs);
        assert_eq!(self.window.count([height, width]), Ok(maps.size));
        assert!(maps.x.len() >= channels * height * width);
        assert!(maps.y.len() >= blocked_numbers(lanes, [self.outputs, maps.size[0], maps.size[1]]));
        assert!(maps.residual.is_none());
        let [padded_height, padded_width] = self.padded([height, width]);
        if [padded_height, padded_width] != [height, width] {
            let Padding { top, left, .. } = self.window.padding;
            let padded = &mut maps.scratch[..channels * padded_height * padded_width];
            padded.fill(0.0);
            for (rows, padded) in
                maps.x.chunks_exact(height * width).zip(padded.chunks_exact_mut(padded_height * padded_width))
            {
                let padded = padded.chunks_exact_mut(padded_width).skip(top);
                for (row, padded) in rows.chunks_exact(width).zip(padded) {
                    padded[left..][..width].copy_from_slice(row);
                }
            }
        }
        // SAFETY: the CPU has the instructions, and the maps are as long as their shapes say.
        unsafe { first(instructions, self, maps) };
    }
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`First::run`] checks, and the scratch has the padded
    /// image.
    first = run_first(layer: &First, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_first<L: Lanes>(layer: &First, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe {
        match layer.window.stride[1] {
            1 => run_stride::<L, 1>(layer, maps),
            2 => run_stride::<L, 2>(layer, maps),
            _ => run_stride::<L, 0>(layer, maps),
        }
    }
}

/// `S` is the stride along rows, 0 for another.
#[inline(always)]
unsafe fn run_stride<L: Lanes, const S: usize>(layer: &First, maps: &mut Maps<'_>) {
    let [height, width] = layer.padded([maps.shape[1], maps.shape[2]]);
    let Window { kernel, stride, dilation, .. } = layer.window;
    let image = if [height, width] == maps.shape[1..] { maps.x.as_ptr() } else { maps.scratch.as_ptr() };
    let [rows, columns] = maps.size;
    let tiles = Tiles::new(1, columns, L::PIXELS);
    let blocks = layer.outputs.div_ceil(L::LANES);
    let block_weights = layer.inputs * kernel[0] * kernel[1] * L::LANES;
    for row in 0..rows {
        for tile in 0..tiles.count {
            let (column, size) = tiles.get(tile);
            let mut block = 0;
            while block < blocks {
                let at_once = blocks_at_once::<L>(size, blocks - block);
                // SAFETY: by the count of windows, the last row and column of the last window are within the padded
                // image, whose length `First::run` checked; the output has `rows · columns` pixels a block, and
                // weights and bias all blocks.
                unsafe {
                    let sum = PlanarSum {
                        x: image.add(row * stride[0] * width + column * stride[1]),
                        channels: layer.inputs,
                        channel_step: height * width,
                        kernel,
                        steps: [dilation[0] * width, dilation[1]],
                        stride: stride[1],
                        weights: layer.weights.numbers().as_ptr().add(block * block_weights),
                        weights_step: block_weights,
                    };
                    let finish = Finish {
                        bias: layer.bias.numbers().as_ptr().add(block * L::LANES),
                        scales: std::ptr::null(),
                        residual: std::ptr::null(),
                        residual_step: 0,
                        residual_blocks: 0,
                        bend: layer.bend.at(),
                        block,
                        y: maps.y.as_mut_ptr().add((block * rows * columns + row * columns + column) * L::LANES),
                        y_step: rows * columns * L::LANES,
                    };
                    match S {
                        1 => with_tile!(Single<L>, size, at_once, planar_sum_1(&sum, &finish)),
                        2 => with_tile!(Single<L>, size, at_once, planar_sum_2(&sum, &finish)),
                        _ => with_tile!(Single<L>, size, at_once, planar_sum_any(&sum, &finish)),
                    }
                }
                block += at_once;
            }
        }
    }
}

/// What a tile sums over a planar image.
struct PlanarSum {
    x: *const f32,
    channels: usize,
    channel_step: usize,
    kernel: [usize; 2],
    /// From a row and a column of the window to the next.
    steps: [usize; 2],
    /// From a pixel's window to the next.
    stride: usize,
    weights: *const f32,
    weights_step: usize,
}

#[inline(always)]
unsafe fn planar_sum_1<T: Products, const P: usize, const B: usize>(sum: &PlanarSum, finish: &Finish<'_>) {
    // SAFETY: the caller's word.
    unsafe { planar_sum::<T, P, B>(sum, 1, finish) }
}

#[inline(always)]
unsafe fn planar_sum_2<T: Products, const P: usize, const B: usize>(sum: &PlanarSum, finish: &Finish<'_>) {
    // SAFETY: the caller's word.
    unsafe { planar_sum::<T, P, B>(sum, 2, finish) }
}

#[inline(always)]
unsafe fn planar_sum_any<T: Products, const P: usize, const B: usize>(sum: &PlanarSum, finish: &Finish<'_>) {
    // SAFETY: the caller's word.
    unsafe { planar_sum::<T, P, B>(sum, sum.stride, finish) }
}

/// # Safety
/// As for [`tile::sum`](super::tile::sum).
#[inline(always)]
unsafe fn planar_sum<T: Products, const P: usize, const B: usize>(sum: &PlanarSum, stride: usize, finish: &Finish<'_>) {
    // SAFETY: the caller's word.
    unsafe {
        let mut sums = begin::<T, P, B>(finish);
        let mut weights = sum.weights;
        for channel in 0..sum.channels {
            for row in 0..sum.kernel[0] {
                let x = sum.x.add(channel * sum.channel_step + row * sum.steps[0]);
                for column in 0..sum.kernel[1] {
                    step::<T, P, B>(&mut sums, x.add(column * sum.steps[1]), stride, weights, sum.weights_step);
                    weights = weights.add(T::Lanes::LANES);
                }
            }
        }
        end::<T, P, B>(sums, finish);
    }
}

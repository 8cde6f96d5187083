//! 3×3 convolutions in a quarter of the multiplications: Winograd's F(4×4, 3×3), after Lavin and Gray, "Fast Algorithms
//! for Convolutional Neural Networks" (2015), with the points 0, ±1, ±2.
//!
//! Squares of 6×6 inputs become 36 numbers that are each, with what the weights became, a 1×1 convolution over all
//! squares; 36 sums become 4×4 outputs. The numbers of one square are up to 100 times as large as its inputs, which
//! costs two digits of f32.

// Sums are counted by constants, so that each is in a register of its own.
#![allow(clippy::needless_range_loop)]

use super::dense::Maps;
use super::finish::{Bend, BendAt};
use super::tile::{Finish, Sum, Tiles, blocks_at_once, sum, with_tile};
use crate::Instructions;
use crate::network::graph::{Padding, Window};
use crate::network::lanes::{Lanes, Single, with_lanes};
use crate::network::memory::Memory;

/// Side of a square of inputs.
const SIDE: usize = 6;
/// Side of a square of outputs.
const OUTPUT: usize = 4;
/// Numbers of a square.
const POINTS: usize = SIDE * SIDE;
/// Numbers that are to stay in the second level of the cache: what squares became, and their sums.
const SQUARES_NUMBERS: usize = 128 << 10;

/// What the weights became.
#[derive(Debug, Clone)]
pub(super) struct Winograd {
    inputs: usize,
    outputs: usize,
    padding: Padding,
    /// `[36][outputs / lanes][inputs][lanes]`.
    weights: Memory,
    /// The sums begin with nothing.
    zeros: Memory,
}

impl Winograd {
    /// Whether a convolution can be done so.
    pub(super) fn can(window: &Window) -> bool {
        window.kernel == [3; 2] && window.stride == [1; 2] && window.dilation == [1; 2]
    }

    /// Whether it takes less time for so many outputs, where else that many products are taken at once.
    pub(super) fn pays(
        [inputs, outputs]: [usize; 2],
        lanes: usize,
        [rows, columns]: [usize; 2],
        at_once: usize,
    ) -> bool {
        // With few squares, reading the weights, four times as many, takes the time of 8.
        let squares = (rows.div_ceil(OUTPUT) * columns.div_ceil(OUTPUT)).max(8);
        // With few channels, squares are more work than sums.
        inputs >= lanes && outputs >= lanes && POINTS * squares * 5 / 4 < 9 * rows * columns / at_once
    }

    /// From the weight of an output, an input and a tap.
    pub(super) fn new(
        [inputs, outputs]: [usize; 2],
        lanes: usize,
        padding: Padding,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let padded = outputs.next_multiple_of(lanes);
        let mut weights = Memory::zeros(POINTS * padded * inputs);
        for output in 0..outputs {
            for input in 0..inputs {
                let points = weight_points(|tap| f64::from(weight(output, input, tap)));
                for (point, number) in points.into_iter().enumerate() {
                    let block = point * (padded / lanes) + output / lanes;
                    weights.numbers_mut()[(block * inputs + input) * lanes + output % lanes] = number as f32;
                }
            }
        }
        Self { inputs, outputs, padding, weights, zeros: Memory::zeros(padded) }
    }

    pub(super) fn weight_bytes(&self) -> usize {
        size_of_val(self.weights.numbers())
    }

    /// Numbers of scratch for a run.
    pub(super) fn scratch_numbers([inputs, outputs]: [usize; 2], lanes: usize, size: [usize; 2]) -> usize {
        squares_at_once([inputs, outputs], lanes, size).largest() * of_square([inputs, outputs], lanes)
    }

    /// # Safety
    /// The CPU has the instructions; maps and scratch are as long as their shapes say, bias and slopes as there are
    /// outputs.
    pub(super) unsafe fn run(&self, instructions: Instructions, bias: &[f32], bend: &Bend, maps: &mut Maps<'_>) {
        // SAFETY: the caller's word.
        unsafe { winograd(instructions, self, bias, bend.at(), maps) };
    }
}

/// Numbers that a square becomes, with its sums.
fn of_square([inputs, outputs]: [usize; 2], lanes: usize) -> usize {
    POINTS * (inputs.next_multiple_of(lanes) + outputs.next_multiple_of(lanes))
}

/// Parts of all squares that are worked on together.
fn squares_at_once(channels: [usize; 2], lanes: usize, [rows, columns]: [usize; 2]) -> Tiles {
    let squares = rows.div_ceil(OUTPUT) * columns.div_ceil(OUTPUT);
    Tiles::new(1, squares, (SQUARES_NUMBERS / of_square(channels, lanes)).max(14))
}

/// `G g Gᵀ` for the nine weights of `tap`.
fn weight_points(tap: impl Fn(usize) -> f64) -> [f64; POINTS] {
    const G: [[f64; 3]; SIDE] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    std::array::from_fn(|point| {
        let (row, column) = (G[point / SIDE], G[point % SIDE]);
        (0..9).map(|place| row[place / 3] * tap(place) * column[place % 3]).sum()
    })
}

with_lanes! {
    /// # Safety
    /// As [`Winograd::run`].
    winograd = run_winograd(layer: &Winograd, bias: &[f32], bend: BendAt<'_>, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_winograd<L: Lanes>(layer: &Winograd, bias: &[f32], bend: BendAt<'_>, maps: &mut Maps<'_>) {
    let [rows, columns] = maps.size;
    let across = columns.div_ceil(OUTPUT);
    let (input_blocks, output_blocks) = (layer.inputs.div_ceil(L::LANES), layer.outputs.div_ceil(L::LANES));
    let parts = squares_at_once([layer.inputs, layer.outputs], L::LANES, maps.size);
    let block_weights = layer.inputs * L::LANES;
    for part in 0..parts.count {
        let (first, count) = parts.get(part);
        let block_step = count * L::LANES;
        // SAFETY: the scratch is at least `count` squares and their sums; every square has an output within the map,
        // and what of it is outside is neither read nor written; the tiles are of the `count` squares.
        unsafe {
            let points = maps.scratch.as_mut_ptr();
            let sums = points.add(POINTS * input_blocks * block_step);
            let map = Inputs {
                map: maps.x.as_ptr(),
                height: maps.shape[1],
                width: maps.shape[2],
                points_step: input_blocks * block_step,
            };
            for block in 0..input_blocks {
                for square in 0..count {
                    let (row, column) = ((first + square) / across, (first + square) % across);
                    let corner = [
                        (row * OUTPUT) as isize - layer.padding.top as isize,
                        (column * OUTPUT) as isize - layer.padding.left as isize,
                    ];
                    input_points::<L>(&map, block, corner, points.add((block * count + square) * L::LANES));
                }
            }
            let tiles = Tiles::new(1, count, L::PIXELS);
            for point in 0..POINTS {
                let mut block = 0;
                while block < output_blocks {
                    let at_once = blocks_at_once::<L>(tiles.largest(), output_blocks - block);
                    let weights = (point * output_blocks + block) * block_weights;
                    for tile in 0..tiles.count {
                        let (square, size) = tiles.get(tile);
                        let job = Sum {
                            x: points.add((point * input_blocks * count + square) * L::LANES),
                            window: [1; 2],
                            window_steps: [0; 2],
                            blocks: input_blocks,
                            block_step,
                            pieces: [L::LANES, layer.inputs - (input_blocks - 1) * L::LANES],
                            weights: layer.weights.numbers().as_ptr().add(weights),
                            weights_step: block_weights,
                        };
                        let finish = Finish {
                            bias: layer.zeros.numbers().as_ptr(),
                            scales: std::ptr::null(),
                            residual: std::ptr::null(),
                            residual_step: 0,
                            residual_blocks: 0,
                            bend: BendAt::None,
                            block,
                            y: sums.add(((point * output_blocks + block) * count + square) * L::LANES),
                            y_step: block_step,
                        };
                        with_tile!(Single<L>, size, at_once, sum(&job, &finish));
                    }
                    block += at_once;
                }
            }
            for block in 0..output_blocks {
                let residual = match maps.residual {
                    Some((residual, channels)) if block * L::LANES < channels => {
                        residual.as_ptr().add(block * rows * columns * L::LANES)
                    }
                    _ => std::ptr::null(),
                };
                let mut outputs = Outputs {
                    sums,
                    points_step: output_blocks * block_step,
                    bias: L::load(bias.as_ptr().add(block * L::LANES)),
                    residual,
                    bend,
                    block,
                    map: maps.y.as_mut_ptr().add(block * rows * columns * L::LANES),
                    size: maps.size,
                };
                for square in 0..count {
                    let (row, column) = ((first + square) / across, (first + square) % across);
                    outputs.sums = sums.add((block * count + square) * L::LANES);
                    output_square::<L>(&outputs, [row * OUTPUT, column * OUTPUT]);
                }
            }
        }
    }
}

/// A map that squares are taken from.
struct Inputs {
    map: *const f32,
    height: usize,
    width: usize,
    /// From a point of a square to the next.
    points_step: usize,
}

/// `Bᵀ d B` for the square of inputs at a corner, zeros outside the map.
///
/// # Safety
/// The CPU has the instructions; the map has the block, and there is room for the points.
#[inline(always)]
unsafe fn input_points<L: Lanes>(inputs: &Inputs, block: usize, [top, left]: [isize; 2], points: *mut f32) {
    let Inputs { map, height, width, points_step } = *inputs;
    // SAFETY: the caller's word; the map is read where row and column are within it.
    unsafe {
        let zero = L::splat(0.0);
        let mut half = [[zero; SIDE]; SIDE];
        let whole = top >= 0 && left >= 0 && top as usize + SIDE <= height && left as usize + SIDE <= width;
        if whole {
            let corner = map.add(((block * height + top as usize) * width + left as usize) * L::LANES);
            for column in 0..SIDE {
                let mut numbers = [zero; SIDE];
                for row in 0..SIDE {
                    numbers[row] = L::load(corner.add((row * width + column) * L::LANES));
                }
                half[column] = input_line::<L>(numbers);
            }
        } else {
            for column in 0..SIDE {
                let mut numbers = [zero; SIDE];
                let x = left + column as isize;
                if x >= 0 && (x as usize) < width {
                    for row in 0..SIDE {
                        let y = top + row as isize;
                        if y >= 0 && (y as usize) < height {
                            let place = (block * height + y as usize) * width + x as usize;
                            numbers[row] = L::load(map.add(place * L::LANES));
                        }
                    }
                }
                half[column] = input_line::<L>(numbers);
            }
        }
        for row in 0..SIDE {
            let mut numbers = [zero; SIDE];
            for column in 0..SIDE {
                numbers[column] = half[column][row];
            }
            let line = input_line::<L>(numbers);
            for column in 0..SIDE {
                L::store(points.add((row * SIDE + column) * points_step), line[column]);
            }
        }
    }
}

/// `Bᵀ d`.
#[inline(always)]
unsafe fn input_line<L: Lanes>(d: [L::Register; SIDE]) -> [L::Register; SIDE] {
    // SAFETY: the caller has the instructions.
    unsafe {
        let (four, minus_four, minus_five) = (L::splat(4.0), L::splat(-4.0), L::splat(-5.0));
        let even = L::multiply_add(d[2], minus_four, d[4]);
        let odd = L::multiply_add(d[1], minus_four, d[3]);
        let outer = L::subtract(d[4], d[2]);
        let inner = L::subtract(d[3], d[1]);
        let inner = L::add(inner, inner);
        [
            L::multiply_add(d[0], four, L::multiply_add(d[2], minus_five, d[4])),
            L::add(even, odd),
            L::subtract(even, odd),
            L::add(outer, inner),
            L::subtract(outer, inner),
            L::multiply_add(d[1], four, L::multiply_add(d[3], minus_five, d[5])),
        ]
    }
}

/// Sums of squares, and where they end up.
struct Outputs<'a, R> {
    sums: *const f32,
    /// From a point of a square to the next.
    points_step: usize,
    bias: R,
    /// In the place of the outputs, or null.
    residual: *const f32,
    bend: BendAt<'a>,
    block: usize,
    map: *mut f32,
    size: [usize; 2],
}

/// `Aᵀ m A` for a square, as far as it is on the map.
///
/// # Safety
/// The CPU has the instructions; all points of the square can be read, and the maps have the size.
#[inline(always)]
unsafe fn output_square<L: Lanes>(outputs: &Outputs<'_, L::Register>, [top, left]: [usize; 2]) {
    let [rows, columns] = outputs.size;
    // SAFETY: the caller's word; rows and columns beyond the map are left out.
    unsafe {
        let zero = L::splat(0.0);
        let mut half = [[zero; OUTPUT]; SIDE];
        for column in 0..SIDE {
            let mut numbers = [zero; SIDE];
            for row in 0..SIDE {
                numbers[row] = L::load(outputs.sums.add((row * SIDE + column) * outputs.points_step));
            }
            half[column] = output_line::<L>(numbers);
        }
        for row in 0..OUTPUT.min(rows - top) {
            let mut numbers = [zero; SIDE];
            for column in 0..SIDE {
                numbers[column] = half[column][row];
            }
            let line = output_line::<L>(numbers);
            for column in 0..OUTPUT {
                if left + column < columns {
                    let place = ((top + row) * columns + left + column) * L::LANES;
                    let mut y = L::add(line[column], outputs.bias);
                    if !outputs.residual.is_null() {
                        y = L::add(y, L::load(outputs.residual.add(place)));
                    }
                    L::store(outputs.map.add(place), outputs.bend.apply::<L>(outputs.block, y));
                }
            }
        }
    }
}

/// `Aᵀ m`.
#[inline(always)]
unsafe fn output_line<L: Lanes>(m: [L::Register; SIDE]) -> [L::Register; OUTPUT] {
    // SAFETY: the caller has the instructions.
    unsafe {
        let (sum_1, difference_1) = (L::add(m[1], m[2]), L::subtract(m[1], m[2]));
        let (sum_2, difference_2) = (L::add(m[3], m[4]), L::subtract(m[3], m[4]));
        [
            L::add(m[0], L::add(sum_1, sum_2)),
            L::multiply_add(difference_2, L::splat(2.0), difference_1),
            L::multiply_add(sum_2, L::splat(4.0), sum_1),
            L::add(L::multiply_add(difference_2, L::splat(8.0), difference_1), m[5]),
        ]
    }
}

//! 3×3 convolutions in a quarter of the multiplications: Winograd's F(4×4, 3×3), after Lavin and Gray, "Fast Algorithms
//! for Convolutional Neural Networks" (2015), with the points 0, ±1, ±2. Where reading what the weights become takes
//! longer than multiplying, as on small maps of many channels, F(2×2, 3×3): less than half as many multiplications, and
//! less than half as many weights as F(4×4, 3×3).
//!
//! Squares of 6×6 inputs become 36 numbers that are each, with what the weights became, a 1×1 convolution over all
//! squares; 36 sums become 4×4 outputs. The numbers of one square are up to 100 times as large as its inputs, which
//! costs two digits of f32; with squares of 4×4 inputs, 4 times.

// Sums are counted by constants, so that each is in a register of its own.
#![allow(clippy::needless_range_loop)]

use super::dense::Maps;
use super::finish::{Bend, BendAt};
use super::tile::{Finish, Sum, Tiles, blocks_at_once, sum, with_tile};
use crate::Instructions;
use crate::network::graph::{Padding, Window};
use crate::network::lanes::{Lanes, Single, with_lanes};
use crate::network::memory::Memory;

/// Sides of a square of outputs: of 4×4 numbers, or of 2×2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Square {
    Four,
    Two,
}

impl Square {
    /// Side of the outputs.
    fn output(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Two => 2,
        }
    }

    /// Numbers of a square of inputs.
    fn points(self) -> usize {
        (self.output() + 2).pow(2)
    }

    /// Squares in a map.
    fn count(self, [rows, columns]: [usize; 2]) -> usize {
        rows.div_ceil(self.output()) * columns.div_ceil(self.output())
    }
}

/// Additions of products in the time in which a register of weights is read from memory.
const READ_TIME: usize = 12;
/// Numbers that are to stay in the second level of the cache: what squares became, and their sums.
const SQUARES_NUMBERS: usize = 128 << 10;

/// What the weights became.
#[derive(Debug, Clone)]
pub(super) struct Winograd {
    square: Square,
    inputs: usize,
    outputs: usize,
    padding: Padding,
    /// `[points][outputs / lanes][inputs][lanes]`.
    weights: Memory,
    /// The sums begin with nothing.
    zeros: Memory,
}

impl Winograd {
    /// Whether a convolution can be done so.
    pub(super) fn can(window: &Window) -> bool {
        window.kernel == [3; 2] && window.stride == [1; 2] && window.dilation == [1; 2]
    }

    /// The squares with which it takes least time for so many outputs, and less than without, where that many products
    /// are taken at once.
    pub(super) fn pays(
        [inputs, outputs]: [usize; 2],
        lanes: usize,
        [rows, columns]: [usize; 2],
        at_once: usize,
    ) -> Option<Square> {
        let (input_blocks, output_blocks) = (inputs.div_ceil(lanes), outputs.div_ceil(lanes));
        // In additions of products. What squares are made of and made into was measured to take that of so many.
        let time = |square: Square| {
            let squares = square.count([rows, columns]);
            let sums = square.points() * squares.max(READ_TIME) * inputs * output_blocks;
            let around = match square {
                Square::Four => 110 * input_blocks + 130 * output_blocks,
                Square::Two => 45 * input_blocks + 45 * output_blocks,
            };
            (sums + squares * around) * 5 / 4
        };
        let direct = 9 * rows * columns * inputs * output_blocks / at_once;
        let square = if time(Square::Four) <= time(Square::Two) { Square::Four } else { Square::Two };
        (time(square) < direct).then_some(square)
    }

    /// Bytes of the weights that give squares of 4×4.
    pub(super) fn weight_bytes_of([inputs, outputs]: [usize; 2]) -> usize {
        Square::Four.points() * inputs * outputs * size_of::<f32>()
    }

    /// From the weight of an output, an input and a tap.
    pub(super) fn new(
        square: Square,
        [inputs, outputs]: [usize; 2],
        lanes: usize,
        padding: Padding,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let padded = outputs.next_multiple_of(lanes);
        let mut weights = Memory::zeros(square.points() * padded * inputs);
        for output in 0..outputs {
            for input in 0..inputs {
                let points = weight_points(square, |tap| f64::from(weight(output, input, tap)));
                for (point, number) in points.enumerate() {
                    let block = point * (padded / lanes) + output / lanes;
                    weights.numbers_mut()[(block * inputs + input) * lanes + output % lanes] = number as f32;
                }
            }
        }
        Self { square, inputs, outputs, padding, weights, zeros: Memory::zeros(padded) }
    }

    pub(super) fn weight_bytes(&self) -> usize {
        size_of_val(self.weights.numbers())
    }

    /// Numbers of scratch for a run.
    pub(super) fn scratch_numbers(square: Square, channels: [usize; 2], lanes: usize, size: [usize; 2]) -> usize {
        squares_at_once(square, channels, lanes, size).largest() * of_square(square, channels, lanes)
    }

    /// # Safety
    /// The CPU has the instructions; maps and scratch are as long as their shapes say, bias and slopes as there are
    /// outputs.
    pub(super) unsafe fn run(&self, instructions: Instructions, bias: &[f32], bend: &Bend, maps: &mut Maps<'_>) {
        // SAFETY: the caller's word.
        unsafe {
            match self.square {
                Square::Four => winograd_four(instructions, self, bias, bend.at(), maps),
                Square::Two => winograd_two(instructions, self, bias, bend.at(), maps),
            }
        };
    }
}

/// Numbers that a square becomes, with its sums.
fn of_square(square: Square, [inputs, outputs]: [usize; 2], lanes: usize) -> usize {
    square.points() * (inputs.next_multiple_of(lanes) + outputs.next_multiple_of(lanes))
}

/// Parts of all squares that are worked on together.
fn squares_at_once(square: Square, channels: [usize; 2], lanes: usize, size: [usize; 2]) -> Tiles {
    Tiles::new(1, square.count(size), (SQUARES_NUMBERS / of_square(square, channels, lanes)).max(14))
}

/// `G g Gᵀ` for the nine weights of `tap`, in rows.
fn weight_points(square: Square, tap: impl Fn(usize) -> f64) -> impl Iterator<Item = f64> {
    const FOUR: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    const TWO: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    let g: &[[f64; 3]] = match square {
        Square::Four => &FOUR,
        Square::Two => &TWO,
    };
    let pairs = g.iter().flat_map(move |row| g.iter().map(move |column| (row, column)));
    pairs.map(move |(row, column)| (0..9).map(|place| row[place / 3] * tap(place) * column[place % 3]).sum())
}

with_lanes! {
    /// # Safety
    /// As [`Winograd::run`].
    winograd_four = run_four(layer: &Winograd, bias: &[f32], bend: BendAt<'_>, maps: &mut Maps<'_>)
}

with_lanes! {
    /// # Safety
    /// As [`Winograd::run`].
    winograd_two = run_two(layer: &Winograd, bias: &[f32], bend: BendAt<'_>, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_four<L: Lanes>(layer: &Winograd, bias: &[f32], bend: BendAt<'_>, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe { run_winograd::<L, 6, 4>(layer, bias, bend, maps) }
}

#[inline(always)]
unsafe fn run_two<L: Lanes>(layer: &Winograd, bias: &[f32], bend: BendAt<'_>, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe { run_winograd::<L, 4, 2>(layer, bias, bend, maps) }
}

/// `SIDE` is that of the squares of inputs, `OUTPUT` of those of outputs.
#[inline(always)]
unsafe fn run_winograd<L: Lanes, const SIDE: usize, const OUTPUT: usize>(
    layer: &Winograd,
    bias: &[f32],
    bend: BendAt<'_>,
    maps: &mut Maps<'_>,
) {
    let square_points = const { SIDE * SIDE };
    let [rows, columns] = maps.size;
    let across = columns.div_ceil(OUTPUT);
    let (input_blocks, output_blocks) = (layer.inputs.div_ceil(L::LANES), layer.outputs.div_ceil(L::LANES));
    let parts = squares_at_once(layer.square, [layer.inputs, layer.outputs], L::LANES, maps.size);
    let block_weights = layer.inputs * L::LANES;
    for part in 0..parts.count {
        let (first, count) = parts.get(part);
        let block_step = count * L::LANES;
        // SAFETY: the scratch is at least `count` squares and their sums; every square has an output within the map,
        // and what of it is outside is neither read nor written; the tiles are of the `count` squares.
        unsafe {
            let points = maps.scratch.as_mut_ptr();
            let sums = points.add(square_points * input_blocks * block_step);
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
                    input_points::<L, SIDE>(&map, block, corner, points.add((block * count + square) * L::LANES));
                }
            }
            let tiles = Tiles::new(1, count, L::PIXELS);
            for point in 0..square_points {
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
                            weights_steps: [0; 2],
                            weights_step: block_weights,
                        };
                        let finish = Finish {
                            starts: layer.zeros.numbers().as_ptr(),
                            bias: std::ptr::null(),
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
                    output_square::<L, SIDE, OUTPUT>(&outputs, [row * OUTPUT, column * OUTPUT]);
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
unsafe fn input_points<L: Lanes, const SIDE: usize>(
    inputs: &Inputs,
    block: usize,
    [top, left]: [isize; 2],
    points: *mut f32,
) {
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
                half[column] = input_line::<L, SIDE>(numbers);
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
                half[column] = input_line::<L, SIDE>(numbers);
            }
        }
        for row in 0..SIDE {
            let mut numbers = [zero; SIDE];
            for column in 0..SIDE {
                numbers[column] = half[column][row];
            }
            let line = input_line::<L, SIDE>(numbers);
            for column in 0..SIDE {
                L::store(points.add((row * SIDE + column) * points_step), line[column]);
            }
        }
    }
}

/// `Bᵀ d`.
#[inline(always)]
unsafe fn input_line<L: Lanes, const SIDE: usize>(d: [L::Register; SIDE]) -> [L::Register; SIDE] {
    let mut line = d;
    // SAFETY: the caller has the instructions.
    unsafe {
        if SIDE == 4 {
            line[0] = L::subtract(d[0], d[2]);
            line[1] = L::add(d[1], d[2]);
            line[2] = L::subtract(d[2], d[1]);
            line[3] = L::subtract(d[3], d[1]);
        } else {
            let (four, minus_four, minus_five) = (L::splat(4.0), L::splat(-4.0), L::splat(-5.0));
            let even = L::multiply_add(d[2], minus_four, d[4]);
            let odd = L::multiply_add(d[1], minus_four, d[3]);
            let outer = L::subtract(d[4], d[2]);
            let inner = L::subtract(d[3], d[1]);
            let inner = L::add(inner, inner);
            line[0] = L::multiply_add(d[0], four, L::multiply_add(d[2], minus_five, d[4]));
            line[1] = L::add(even, odd);
            line[2] = L::subtract(even, odd);
            line[3] = L::add(outer, inner);
            line[4] = L::subtract(outer, inner);
            line[5] = L::multiply_add(d[1], four, L::multiply_add(d[3], minus_five, d[5]));
        }
    }
    line
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
unsafe fn output_square<L: Lanes, const SIDE: usize, const OUTPUT: usize>(
    outputs: &Outputs<'_, L::Register>,
    [top, left]: [usize; 2],
) {
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
            half[column] = output_line::<L, SIDE, OUTPUT>(numbers);
        }
        for row in 0..OUTPUT.min(rows - top) {
            let mut numbers = [zero; SIDE];
            for column in 0..SIDE {
                numbers[column] = half[column][row];
            }
            let line = output_line::<L, SIDE, OUTPUT>(numbers);
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
unsafe fn output_line<L: Lanes, const SIDE: usize, const OUTPUT: usize>(
    m: [L::Register; SIDE],
) -> [L::Register; OUTPUT] {
    // SAFETY: the caller has the instructions.
    unsafe {
        let (sum_1, difference_1) = (L::add(m[1], m[2]), L::subtract(m[1], m[2]));
        let mut line = [sum_1; OUTPUT];
        line[0] = L::add(m[0], sum_1);
        if OUTPUT == 2 {
            line[1] = L::add(difference_1, m[3]);
        } else {
            let (sum_2, difference_2) = (L::add(m[3], m[4]), L::subtract(m[3], m[4]));
            line[0] = L::add(line[0], sum_2);
            line[1] = L::multiply_add(difference_2, L::splat(2.0), difference_1);
            line[2] = L::multiply_add(sum_2, L::splat(4.0), sum_1);
            line[3] = L::add(L::multiply_add(difference_2, L::splat(8.0), difference_1), m[5]);
        }
        line
    }
}

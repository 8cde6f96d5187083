//! Convolutions that give few pixels, in f32, with weights of 16 bits: reading those takes most of the time. They become
//! [`Halves`] when they are read, which takes less time than reading halves that were made before, and no memory. Other
//! weights of f32 are twice as many bytes, and take no less time so than in registers.

use std::arch::asm;
use std::arch::x86_64::*;
use std::ops::Range;

use super::inputs::Look;
use super::run::finish;
use super::tiles::{MOST_ROWS, ROW, Shapes};
use super::{LANES, TILE};
use crate::Instructions;
use crate::network::graph::Window;
use crate::network::kernel::dense::{Dense, Maps};
use crate::network::lanes::{Avx512, Halves, Lanes, Put};
use crate::network::shape::Shape;

/// Inputs of a step: those of a row of a tile.
const TOGETHER: usize = 2 * LANES;
/// Numbers of a pixel of a step: first halves, then second halves.
const OF_PIXEL: usize = TOGETHER;
/// Numbers of memory that the weights of a step take for a block, two in the place of one.
const STEP_WEIGHTS: usize = TOGETHER * LANES / 2;
/// Tiles of sums.
const SUMS: usize = 4;
/// Rows of a quarter of a tile.
const QUARTER: usize = MOST_ROWS / 4;
/// Bytes of weights that are asked for ahead: two steps.
const AHEAD: usize = 2 * STEP_WEIGHTS * size_of::<f32>();
/// With fewer, registers take no longer.
const LEAST_PIXELS: usize = if cfg!(test) { 1 } else { 6 };
/// Copied numbers that stay in the second level of the cache beside weights.
const GATHERED_NUMBERS: usize = 160 << 10;

/// Whether it takes less time so than in registers, for outputs of this size.
pub(in crate::network::kernel) fn pays(layer: &Dense, instructions: Instructions, size: [usize; 2]) -> bool {
    let pixels = size[0] * size[1];
    instructions == Instructions::Amx
        && layer.has_half_weights
        && !layer.is_pointwise()
        && layer.inputs.is_multiple_of(TOGETHER)
        && (LEAST_PIXELS..=SUMS * MOST_ROWS).contains(&pixels)
        && scratch_numbers(layer, size) <= GATHERED_NUMBERS
}

/// Numbers of scratch for outputs of this size.
pub(in crate::network::kernel) fn scratch_numbers(layer: &Dense, [rows, columns]: [usize; 2]) -> usize {
    let [kernel_rows, kernel_columns] = layer.window.kernel;
    let copies = Copies::new(layer, [kernel_rows, kernel_columns], [rows, columns]);
    copies.count[0] * copies.count[1] * copies.pixels * layer.inputs / TOGETHER * OF_PIXEL
}

/// Copies of what windows see. Each has, for one column of the window, what that column sees of each output's, row after
/// row: an output is as far from the next of its row as the last of a row from the first of the next, and any outputs one
/// after the other are a tile. Where windows are one row apart, a copy serves all rows of the window.
#[derive(Debug, Clone, Copy)]
struct Copies {
    /// Along rows and columns of the window.
    count: [usize; 2],
    /// Pixels of a step.
    pixels: usize,
    /// From a row of the window to the next.
    row_step: usize,
}

impl Copies {
    /// For so many rows and columns of a window.
    fn new(layer: &Dense, taps: [usize; 2], [rows, columns]: [usize; 2]) -> Self {
        let row_step = layer.window.dilation[0] * columns;
        match layer.window.stride[0] {
            1 => Self { count: [1, taps[1]], pixels: rows * columns + taps[0].saturating_sub(1) * row_step, row_step },
            _ => Self { count: taps, pixels: rows * columns, row_step: 0 },
        }
    }
}

/// For each block its first and its second halves of a step's weights, as tiles take them.
#[repr(C, align(64))]
struct Weights([[[f32; TILE]; 2]; SUMS]);

#[repr(C, align(64))]
struct Sums([[f32; TILE]; SUMS]);

/// Instructions for tiles, with `{row}` and `{pixel}` the bytes of a row of weights and from a pixel to the next.
macro_rules! with_tiles {
    ($($instruction:literal),*; $($name:ident = $value:expr),*) => {
        asm!(
            $($instruction,)*
            "/* {row} {pixel} */",
            $($name = in(reg) $value,)*
            row = in(reg) ROW,
            pixel = in(reg) OF_PIXEL * size_of::<f32>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, preserves_flags),
        )
    };
}

/// # Safety
/// The CPU has AMX and the process may use it; the lengths are those that [`Dense::run`] checks; [`pays`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
pub(in crate::network::kernel) unsafe fn run(layer: &Dense, maps: &mut Maps<'_>) {
    let pixels = maps.size[0] * maps.size[1];
    let scratch = std::mem::take(&mut maps.scratch);
    let used = layer.used(maps.shape, maps.size);
    let copies = Copies::new(layer, [used[0].len(), used[1].len()], maps.size);
    // SAFETY: the caller's word; there is as much scratch as copies ask for, and they are of all that windows see.
    unsafe {
        gather(layer, maps, &used, &copies, scratch);
        if pixels <= MOST_ROWS {
            run_blocks::<SUMS>(layer, maps, &used, &copies, scratch);
        } else {
            run_blocks::<1>(layer, maps, &used, &copies, scratch);
        }
    }
    maps.scratch = scratch;
}

/// Sums for `BLOCKS` blocks at once: either of one tile of pixels, or for one block of four.
///
/// # Safety
/// As [`run`]; copies of what the `used` rows and columns of windows see were gathered.
#[inline(always)]
unsafe fn run_blocks<const BLOCKS: usize>(
    layer: &Dense,
    maps: &mut Maps<'_>,
    used: &[Range<usize>; 2],
    copies: &Copies,
    gathered: &[f32],
) {
    let pixels = maps.size[0] * maps.size[1];
    let look = Look::at_itself(pixels, pixels);
    let rows = if BLOCKS == 1 { pixels.div_ceil(SUMS) } else { pixels };
    let begins = [0, 1, 2, 3].map(|tile| (tile * rows).min(pixels - rows));
    let blocks = layer.outputs.div_ceil(LANES);
    let taps = layer.window.kernel[0] * layer.window.kernel[1];
    let groups = layer.inputs / TOGETHER;
    // Of each step: where its inputs are, and its weights after the first of a block.
    let [kernel_columns, first_row, first_column] = [layer.window.kernel[1], used[0].start, used[1].start];
    let places = (0..used[0].len()).flat_map(|down| (0..used[1].len()).map(move |beside| (down, beside)));
    let steps = places.flat_map(move |(down, beside)| {
        let tap = (first_row + down) * kernel_columns + first_column + beside;
        let copy = if copies.count[0] == 1 { beside } else { down * copies.count[1] + beside };
        (0..groups).map(move |group| {
            let pixel = (copy * groups + group) * copies.pixels + down * copies.row_step;
            (pixel * OF_PIXEL, (tap * groups + group) * STEP_WEIGHTS)
        })
    });
    let mut sums = Sums([[0.0; TILE]; SUMS]);
    let mut weights = [Weights([[[0.0; TILE]; 2]; SUMS]), Weights([[[0.0; TILE]; 2]; SUMS])];
    // SAFETY: the caller's word. A step has `copies.pixels` pixels, and a tile begins at one of them and ends before their
    // end; blocks are below those of the outputs; weights are of all taps, of inputs that are whole steps. Nothing but
    // this module uses tiles as long as their shapes are set: sums stay in tiles 0 to 3, and tiles 4 to 7 from one piece
    // of a step to the next.
    unsafe {
        let _shapes = Shapes::set(rows, ROW, 6..8);
        for block in (0..blocks).step_by(BLOCKS) {
            let mut of_block = [layer.weights.numbers().as_ptr(); SUMS];
            for (place, weights) in of_block.iter_mut().enumerate() {
                *weights = weights.add((block + place).min(blocks - 1) * taps * groups * STEP_WEIGHTS);
            }
            with_tiles!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3";);
            let mut steps = steps.clone();
            let mut step = steps.next();
            let [mut now, mut later] = weights.each_mut();
            if let Some((_, place)) = step {
                for (halves, from) in now.0.iter_mut().zip(of_block).take(BLOCKS) {
                    put_halves(from.add(place), halves, 0..MOST_ROWS);
                }
            }
            while let Some((inputs, place)) = step {
                step = steps.next();
                // After the last step this makes nothing that is used.
                let place = step.map_or(place, |(_, place)| place);
                let inputs = gathered.as_ptr().add(inputs);
                // Registers make halves of the next step while tiles multiply: as much of both as the CPU looks ahead.
                for part in 0..SUMS {
                    if BLOCKS == 1 {
                        multiply_pixels(part, inputs, &begins, now);
                        put_halves(of_block[0].add(place), &mut later.0[0], part * QUARTER..(part + 1) * QUARTER);
                    } else {
                        multiply_blocks(part, inputs, now);
                        put_halves(of_block[part].add(place), &mut later.0[part], 0..MOST_ROWS);
                    }
                }
                std::mem::swap(&mut now, &mut later);
            }
            with_tiles!(
                "tilestored [{sums} + {row}], tmm0",
                "tilestored [{sums} + {row} + 1024], tmm1",
                "tilestored [{sums} + {row} + 2048], tmm2",
                "tilestored [{sums} + {row} + 3072], tmm3";
                sums = sums.0.as_mut_ptr()
            );
            for (place, sums) in sums.0.iter().enumerate() {
                let (block, begin) = if BLOCKS == 1 { (block, begins[place]) } else { (block + place, 0) };
                if block < blocks {
                    finish::<Halves<2>>(layer, maps, block, &look, 0, begin..begin + rows, sums.as_ptr());
                }
            }
        }
    }
}

/// One of four parts of adding the products of a step to the sums of one tile of pixels and four blocks.
///
/// # Safety
/// Shapes are set, and the parts follow each other; the inputs of as many pixels can be read.
#[inline(always)]
unsafe fn multiply_blocks(part: usize, inputs: *const f32, weights: &Weights) {
    // SAFETY: the caller's word.
    unsafe {
        match part {
            0 => with_tiles!(
                "tileloadd tmm4, [{x} + {pixel}]",
                "tileloadd tmm5, [{x} + {pixel} + 64]",
                "tileloadd tmm6, [{w} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {row} + 2048]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm0, tmm5, tmm6";
                x = inputs, w = weights
            ),
            1 => with_tiles!(
                "tdpbf16ps tmm1, tmm5, tmm7",
                "tileloadd tmm6, [{w} + {row} + 4096]",
                "tdpbf16ps tmm2, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {row} + 6144]",
                "tdpbf16ps tmm3, tmm4, tmm7";
                w = weights
            ),
            2 => with_tiles!(
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm6, [{w} + {row} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6";
                w = weights
            ),
            _ => with_tiles!(
                "tileloadd tmm7, [{w} + {row} + 3072]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm6, [{w} + {row} + 5120]",
                "tdpbf16ps tmm2, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {row} + 7168]",
                "tdpbf16ps tmm3, tmm4, tmm7";
                w = weights
            ),
        }
    }
}

/// One of four parts of adding the products of a step to the sums of four tiles of pixels, which begin at `begins`, and
/// one block.
///
/// # Safety
/// As [`multiply_blocks`].
#[inline(always)]
unsafe fn multiply_pixels(part: usize, inputs: *const f32, begins: &[usize; SUMS], weights: &Weights) {
    // SAFETY: the caller's word.
    unsafe {
        let first = inputs.add(begins[0] * OF_PIXEL);
        let second = inputs.add(begins[1] * OF_PIXEL);
        let third = inputs.add(begins[2] * OF_PIXEL);
        let fourth = inputs.add(begins[3] * OF_PIXEL);
        match part {
            0 => with_tiles!(
                "tileloadd tmm6, [{w} + {row}]",
                "tileloadd tmm4, [{x} + {pixel}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{y} + {pixel}]",
                "tdpbf16ps tmm1, tmm5, tmm6",
                "tileloadd tmm7, [{w} + {row} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm7";
                x = first, y = second, w = weights
            ),
            1 => with_tiles!(
                "tdpbf16ps tmm1, tmm5, tmm7",
                "tileloadd tmm4, [{x} + {pixel}]",
                "tdpbf16ps tmm2, tmm4, tmm6",
                "tileloadd tmm5, [{y} + {pixel}]",
                "tdpbf16ps tmm3, tmm5, tmm6";
                x = third, y = fourth
            ),
            2 => with_tiles!(
                "tdpbf16ps tmm2, tmm4, tmm7",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{x} + {pixel} + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6";
                x = first
            ),
            _ => with_tiles!(
                "tileloadd tmm5, [{x} + {pixel} + 64]",
                "tdpbf16ps tmm1, tmm5, tmm6",
                "tileloadd tmm4, [{y} + {pixel} + 64]",
                "tdpbf16ps tmm2, tmm4, tmm6",
                "tileloadd tmm5, [{z} + {pixel} + 64]",
                "tdpbf16ps tmm3, tmm5, tmm6";
                x = second, y = third, z = fourth
            ),
        }
    }
}

/// Makes rows of a tile of first halves and of one of second halves of a step's weights for a block, `[inputs][outputs]`,
/// of 16 bits each. Those have 11 digits: the first 8 are a half, and the rest another, without rounding.
///
/// # Safety
/// The CPU has the instructions; the weights of the rows can be read, two inputs each.
#[inline(always)]
unsafe fn put_halves(weights: *const f32, [first, second]: &mut [[f32; TILE]; 2], rows: Range<usize>) {
    // SAFETY: the caller's word; a tile has 16 rows. An address that cannot be read may be asked for.
    unsafe {
        let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
        for row in rows {
            let weights = weights.add(row * LANES).cast::<__m256i>();
            _mm_prefetch::<_MM_HINT_T0>(weights.wrapping_byte_add(AHEAD).cast());
            let even = _mm512_cvtph_ps(_mm256_loadu_si256(weights));
            let odd = _mm512_cvtph_ps(_mm256_loadu_si256(weights.add(1)));
            let even_half = _mm512_and_si512(_mm512_castps_si512(even), upper);
            let odd_half = _mm512_and_si512(_mm512_castps_si512(odd), upper);
            let even_rest = _mm512_castps_si512(_mm512_sub_ps(even, _mm512_castsi512_ps(even_half)));
            let odd_rest = _mm512_castps_si512(_mm512_sub_ps(odd, _mm512_castsi512_ps(odd_half)));
            let halves = _mm512_or_si512(_mm512_srli_epi32::<16>(even_half), odd_half);
            let rests = _mm512_or_si512(_mm512_srli_epi32::<16>(even_rest), odd_rest);
            Avx512::store(first.as_mut_ptr().add(row * LANES), _mm512_castsi512_ps(halves));
            Avx512::store(second.as_mut_ptr().add(row * LANES), _mm512_castsi512_ps(rests));
        }
    }
}

/// Makes halves of what the `used` rows and columns of windows see, `[copies][steps][pixels][halves]`; zeros outside the
/// map.
///
/// # Safety
/// The CPU has the instructions; the maps are as long as their shapes say.
#[inline(always)]
unsafe fn gather(layer: &Dense, maps: &Maps<'_>, used: &[Range<usize>; 2], copies: &Copies, gathered: &mut [f32]) {
    let [channels, height, width]: Shape = maps.shape;
    let [_, columns] = maps.size;
    let Window { stride, dilation, padding, .. } = layer.window;
    let steps = channels / TOGETHER;
    let of_copy = steps * copies.pixels * OF_PIXEL;
    for (copy, gathered) in gathered.chunks_exact_mut(of_copy).take(copies.count[0] * copies.count[1]).enumerate() {
        let tap = [used[0].start + copy / copies.count[1], used[1].start + copy % copies.count[1]];
        for row in 0..copies.pixels / columns {
            // Above and left of the map these wrap to numbers that are not below its sides.
            let y = (row * stride[0] + tap[0] * dilation[0]).wrapping_sub(padding.top);
            for column in 0..columns {
                let x = (column * stride[1] + tap[1] * dilation[1]).wrapping_sub(padding.left);
                let is_inside = y < height && x < width;
                let pixel = row * columns + column;
                for step in 0..steps {
                    let to = &mut gathered[(step * copies.pixels + pixel) * OF_PIXEL..][..OF_PIXEL];
                    if !is_inside {
                        to.fill(0.0);
                        continue;
                    }
                    for half in 0..2 {
                        let from = &maps.x[(((2 * step + half) * height + y) * width + x) * LANES..][..LANES];
                        let to = &mut to[half * LANES / 2..];
                        // SAFETY: the slices are a block's channels, and where their halves are, of which the second are
                        // behind the first of both blocks.
                        unsafe { Halves::<2>::put(Avx512::load(from.as_ptr()), to.as_mut_ptr(), layer.takes.steps) };
                    }
                }
            }
        }
    }
}

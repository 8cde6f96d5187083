//! Convolutions of f32 whose weights are stored in 16 bits, as sums of products of whole numbers of 16 bits. Such a number
//! is two digits, bytes: of a product of two, three of the four products of digits are taken, and the fourth is as small as
//! what rounding leaves. Tiles take twice as many bytes as bfloat16 at once, weights are as many bytes as they are stored
//! in, and nothing is made of them when they are read, which takes most of the time where there are few pixels.
//!
//! Weights are counted in steps of the greatest of their output, to 2⁻¹⁶ of it: most are stored less exactly. Inputs are
//! counted in steps of the range of their map, which is looked for in each run, to 2⁻¹⁷ of it.

use std::arch::asm;
use std::arch::x86_64::*;
use std::ops::Range;

use super::inputs::{Look, copied_rows};
use super::run::{Cut, Sums, finish};
use super::tiles::{MOST_ROWS, ROW, Shapes};
use super::{LANES, TILE};
use crate::Instructions;
use crate::network::graph::Window;
use crate::network::kernel::dense::{Dense, Maps};
use crate::network::lanes::{Avx512, Lanes};
use crate::network::memory::Memory;

/// Channels that fill a row of a tile with one of their digits; of half as many, two places of a window do.
const TOGETHER: usize = ROW;
/// Weights are from minus this to this. The next has a first digit that is no byte.
const MOST_WEIGHT: f32 = 32_639.0;
/// Inputs are from 0 to this.
const MOST_INPUT: f32 = 65_407.0;
/// What a first digit counts.
const DIGIT: f32 = 256.0;
/// Products whose digits have sums within an i32: of each, one of at most 255 · 128 and one of at most 128 · 127.
const MOST_PRODUCTS: usize = i32::MAX as usize / (255 * 128 + 128 * 127);
/// How many times the root of the mean square of an output's weights its greatest may be: 2·10⁻⁴ of that root are the
/// mean error then.
const MOST_ABOVE_MEAN: f32 = 40.0;
/// With fewer pixels, registers take no longer.
const LEAST_PIXELS: usize = if cfg!(test) { 1 } else { 6 };
/// For so many pixels what windows see is copied for each of their columns.
const FEW_PIXELS: usize = 4 * MOST_ROWS;
/// Bytes of such copies at most.
const FEW_BYTES: usize = 640 << 10;
/// Bytes of copies that stay in the second level of the cache beside weights.
const COPIED_BYTES: usize = if cfg!(test) { 16 << 10 } else { 192 << 10 };
/// Numbers of memory of a step's weights for a block: a tile of first digits and one of second digits.
const STEP_WEIGHTS: usize = 2 * TILE;

/// Whether a convolution of so many inputs and outputs can be done so, without that weights of 16 bits lose much more.
pub(in crate::network) fn can(window: &Window, [inputs, outputs]: [usize; 2], weights: &[f32]) -> bool {
    let [rows, columns] = window.kernel;
    !window.has_one_place()
        && (inputs.is_multiple_of(TOGETHER) || inputs == TOGETHER / 2 && window.dilation[1] == 1)
        && inputs * rows * columns <= MOST_PRODUCTS
        && weights.chunks_exact(weights.len() / outputs).all(are_even)
}

/// Whether steps of the greatest are small beside most of these.
fn are_even(weights: &[f32]) -> bool {
    let greatest = weights.iter().fold(0.0, |greatest: f32, weight| greatest.max(weight.abs()));
    let squares: f32 = weights.iter().map(|weight| (weight / greatest).powi(2)).sum();
    greatest == 0.0 || squares * MOST_ABOVE_MEAN * MOST_ABOVE_MEAN >= weights.len() as f32
}

/// Whether it is done so, for outputs of this size.
pub(in crate::network::kernel) fn pays(layer: &Dense, [rows, columns]: [usize; 2]) -> bool {
    layer.has_fixed_point && rows * columns >= LEAST_PIXELS
}

/// Bytes of a pixel's digits that are together.
fn of_pixel(inputs: usize) -> usize {
    inputs.min(TOGETHER)
}

/// Steps for a row of a window: for its columns, or two of them at once, and then for channels that are together.
fn steps_of_row(layer: &Dense) -> usize {
    layer.window.kernel[1].div_ceil(columns_at_once(layer.inputs)) * layer.inputs.div_ceil(TOGETHER)
}

/// Steps of a sum.
fn steps(layer: &Dense) -> usize {
    layer.window.kernel[0] * steps_of_row(layer)
}

fn columns_at_once(inputs: usize) -> usize {
    TOGETHER / of_pixel(inputs)
}

/// Where the digit of a channel is among those of its pixel that are together, as [`put_words`] orders them.
fn place_of(channel: usize, inputs: usize) -> usize {
    let blocks = of_pixel(inputs) / LANES;
    let (block, lane) = (channel / LANES % blocks, channel % LANES);
    (lane / 4 * blocks + block) * 4 + lane % 4
}

/// Weights in steps.
#[derive(Debug, Clone)]
pub(in crate::network::kernel) struct FixedPoint {
    /// `[outputs / 16][rows of the window][columns at once][channels together][digits][rows of a tile][16 outputs]`, four
    /// digits in the place of a number.
    weights: Memory,
    /// In blocks: the step of an output's weights, and their sum in such steps.
    steps: Memory,
    sums: Memory,
}

impl FixedPoint {
    /// # Panics
    /// Without AVX-512.
    pub(in crate::network::kernel) fn new(layer: &Dense) -> Self {
        assert!(Instructions::Avx512.are_available());
        let blocks = layer.outputs.div_ceil(LANES);
        let of_block = steps(layer) * STEP_WEIGHTS;
        let [mut steps, mut sums] = [(); 2].map(|()| Memory::zeros(blocks * LANES));
        let mut weights = Memory::zeros(blocks * of_block);
        for (block, weights) in weights.numbers_mut().chunks_exact_mut(of_block).take(blocks).enumerate() {
            let [steps, sums] =
                [&mut steps, &mut sums].map(|numbers| &mut numbers.numbers_mut()[block * LANES..][..LANES]);
            // SAFETY: the CPU has the instructions; these are what is made for the block.
            unsafe { put_weights(layer, block, weights, steps, sums) };
        }
        Self { weights, steps, sums }
    }

    pub(in crate::network::kernel) fn weight_bytes(&self) -> usize {
        size_of_val(self.weights.numbers())
    }
}

/// Makes what a [`FixedPoint`] has for a block of outputs: weights for all steps, and a step and a sum for each output.
///
/// # Safety
/// The CPU has the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
unsafe fn put_weights(layer: &Dense, block: usize, weights: &mut [f32], of_steps: &mut [f32], sums: &mut [f32]) {
    let inputs = layer.inputs;
    let [kernel_rows, kernel_columns] = layer.window.kernel;
    let taps = kernel_rows * kernel_columns;
    let at_once = columns_at_once(inputs);
    let groups = inputs.div_ceil(TOGETHER);
    assert!(weights.len() >= steps(layer) * STEP_WEIGHTS);
    assert!(of_steps.len() >= LANES && sums.len() >= LANES && inputs.is_multiple_of(4));
    // SAFETY: the caller's word; a block has 16 weights of each input and tap, of 16 bits or 32, and the place of a step and
    // four of its channels is before the last tile's end.
    unsafe {
        let weight = |input: usize, tap: usize| {
            let place = ((block * taps + tap) * inputs + input) * LANES;
            let numbers = layer.weights.numbers().as_ptr();
            match layer.has_half_weights {
                true => _mm512_cvtph_ps(_mm256_loadu_si256(numbers.byte_add(place * size_of::<u16>()).cast())),
                false => Avx512::load(numbers.add(place)),
            }
        };
        let mut greatest = _mm512_setzero_ps();
        for tap in 0..taps {
            for input in 0..inputs {
                greatest = _mm512_max_ps(greatest, _mm512_abs_ps(weight(input, tap)));
            }
        }
        let (most, one) = (_mm512_set1_ps(MOST_WEIGHT), _mm512_set1_ps(1.0));
        let are_zeros = _mm512_cmpeq_ps_mask(greatest, _mm512_setzero_ps());
        let per_unit = _mm512_mask_mov_ps(_mm512_div_ps(most, greatest), are_zeros, one);
        Avx512::store(of_steps.as_mut_ptr(), _mm512_mask_mov_ps(_mm512_div_ps(greatest, most), are_zeros, one));
        let mut sum = _mm512_setzero_si512();
        for (row, column) in (0..kernel_rows).flat_map(|row| (0..kernel_columns).map(move |column| (row, column))) {
            for input in (0..inputs).step_by(4) {
                let mut digits = [_mm512_setzero_si512(); 2];
                for channel in (0..4).rev() {
                    let weight = weight(input + channel, row * kernel_columns + column);
                    let number = _mm512_cvtps_epi32(_mm512_mul_ps(weight, per_unit));
                    sum = _mm512_add_epi32(sum, number);
                    // The second digit is the lower byte, from -128 to 127, and the first what is left then.
                    let first = _mm512_srli_epi32::<8>(_mm512_add_epi32(number, _mm512_set1_epi32(128)));
                    for (digits, digit) in digits.iter_mut().zip([first, number]) {
                        let digit = _mm512_and_si512(digit, _mm512_set1_epi32(255));
                        *digits = _mm512_or_si512(_mm512_slli_epi32::<8>(*digits), digit);
                    }
                }
                let step = row * steps_of_row(layer) + column / at_once * groups + input / TOGETHER;
                let byte = column % at_once * of_pixel(inputs) + place_of(input, inputs);
                let place = weights.as_mut_ptr().add(step * STEP_WEIGHTS + byte / 4 * LANES);
                Avx512::store(place, _mm512_castsi512_ps(digits[0]));
                Avx512::store(place.add(TILE), _mm512_castsi512_ps(digits[1]));
            }
        }
        Avx512::store(sums.as_mut_ptr(), _mm512_cvtepi32_ps(sum));
    }
}

/// How a map is counted: a number is `(input − 256 · zero) · step`.
#[derive(Debug, Clone, Copy)]
struct Quantization {
    step: f32,
    zero: u8,
}

impl Quantization {
    /// Of numbers that need not be finite; the step is NaN if one is not.
    ///
    /// # Safety
    /// The CPU has the instructions.
    #[inline(always)]
    unsafe fn of(numbers: &[f32]) -> Self {
        // SAFETY: the caller's word; a chunk is a register.
        let [low, high] = unsafe {
            let (mut high, mut low) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            for numbers in numbers.chunks_exact(LANES) {
                // Of bits, those of numbers above zero are in their order, and those of numbers below in the opposite.
                let bits = _mm512_castps_si512(Avx512::load(numbers.as_ptr()));
                high = _mm512_max_epi32(high, bits);
                low = _mm512_max_epu32(low, bits);
            }
            [_mm512_reduce_max_epu32(low), _mm512_reduce_max_epi32(high).cast_unsigned()].map(f32::from_bits)
        };
        let low = if low.is_sign_negative() { low } else { 0.0 };
        let range = high - low;
        if !range.is_finite() {
            return Self { step: f32::NAN, zero: 0 };
        }
        // Zero is a whole number of first digits, for which there has to be room.
        let most = if low < 0.0 { MOST_INPUT - DIGIT } else { MOST_INPUT };
        let step = (range / most).max(f32::MIN_POSITIVE);
        Self { step, zero: (-low / (step * DIGIT)).ceil() as u8 }
    }
}

/// What windows see of some rows, as digits: `[channels together][digits][copies][rows][columns][bytes]`.
#[derive(Debug, Clone, Copy)]
struct Copies {
    /// Along rows and columns of the window: one, or for each one whose outputs are one after the other.
    count: [usize; 2],
    /// Rows and columns of a copy.
    size: [usize; 2],
    /// On the map, from a row or column of a copy to the next.
    map_step: [usize; 2],
    look: Look,
}

impl Copies {
    /// For `rows` rows of `columns` outputs, of a map of `width` columns; [`are_few`].
    fn new(layer: &Dense, width: usize, rows: usize, columns: usize, are_few: bool) -> Self {
        let Window { kernel, stride, dilation, .. } = layer.window;
        if !are_few {
            let look = Look::new(layer, None, width, rows, columns);
            let size = [copied_rows(&layer.window, rows), look.pitch];
            return Self { count: [1; 2], size, map_step: [1; 2], look };
        }
        // A copy serves all rows of windows that are one row apart.
        let is_shared = stride[0] == 1;
        let count = if is_shared { [1, kernel[1]] } else { kernel };
        let size = [if is_shared { copied_rows(&layer.window, rows) } else { rows }, columns];
        let pixels = size[0] * columns;
        let mut look = Look::at_itself(rows * columns, count[0] * count[1] * pixels);
        look.window_steps = [if is_shared { dilation[0] * columns } else { kernel[1] * pixels }, pixels];
        Self { count, size, map_step: [if is_shared { 1 } else { stride[0] }, stride[1]], look }
    }

    /// Bytes of a digit of all pixels, of channels that are together.
    fn plane(&self, layer: &Dense) -> usize {
        self.look.plane * of_pixel(layer.inputs)
    }

    /// Bytes of all.
    fn bytes(&self, layer: &Dense) -> usize {
        layer.inputs.div_ceil(TOGETHER) * 2 * self.plane(layer)
    }
}

/// Whether all outputs are to be one after the other.
fn are_few(layer: &Dense, [rows, columns]: [usize; 2]) -> bool {
    layer.inputs >= TOGETHER
        && rows * columns <= FEW_PIXELS
        && Copies::new(layer, columns, rows, columns, true).bytes(layer) <= FEW_BYTES
}

/// Rows of outputs whose inputs are copied at once.
fn rows_at_once(layer: &Dense, width: usize, [rows, columns]: [usize; 2]) -> usize {
    if are_few(layer, [rows, columns]) {
        return rows;
    }
    let of_row = 2 * layer.inputs * Look::new(layer, None, width, 1, columns).row_step();
    (COPIED_BYTES / of_row).clamp(1, rows)
}

/// Numbers of scratch for outputs of this size.
pub(in crate::network::kernel) fn scratch_numbers(layer: &Dense, width: usize, [rows, columns]: [usize; 2]) -> usize {
    let size = [rows, columns];
    let copies = Copies::new(layer, width, rows_at_once(layer, width, size), columns, are_few(layer, size));
    // A row of a tile may go on after the last pixel, where weights are zero.
    steps_numbers(layer) + (copies.bytes(layer) + ROW).div_ceil(size_of::<f32>())
}

fn steps_numbers(layer: &Dense) -> usize {
    steps(layer).next_multiple_of(LANES)
}

/// # Safety
/// The CPU has AMX and the process may use it; the lengths are those that [`Dense::run`] checks; [`pays`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(in crate::network::kernel) unsafe fn run(layer: &Dense, weights: &FixedPoint, maps: &mut Maps<'_>) {
    let [channels, height, width] = maps.shape;
    let [rows, columns] = maps.size;
    let at_once = rows_at_once(layer, width, maps.size);
    let scratch = std::mem::take(&mut maps.scratch);
    let (steps, copied) = scratch.split_at_mut(steps_numbers(layer));
    // SAFETY: the caller's word; there is as much scratch as copies of so many rows take.
    unsafe {
        let quantization = Quantization::of(&maps.x[..channels * height * width]);
        for first in (0..rows).step_by(at_once) {
            let count = at_once.min(rows - first);
            let copies = Copies::new(layer, width, count, columns, are_few(layer, maps.size));
            assert!(size_of_val(copied) >= copies.bytes(layer) + ROW);
            let steps = put_steps(layer, &copies, steps);
            copy(layer, maps, first, &copies, quantization, copied.as_mut_ptr().cast());
            let look = &copies.look;
            let job = Job {
                layer,
                weights,
                quantization,
                steps,
                look,
                plane: copies.plane(layer),
                x: copied.as_ptr().cast(),
            };
            if look.runs == 1 && look.run <= MOST_ROWS {
                job.run_blocks(maps, first);
            } else {
                job.run_pixels(maps, first);
            }
        }
    }
    maps.scratch = scratch;
}

/// Writes, for each step, how many bytes after the first pixel its first digits are.
fn put_steps<'a>(layer: &Dense, copies: &Copies, steps: &'a mut [f32]) -> &'a [f32] {
    let [kernel_rows, kernel_columns] = layer.window.kernel;
    let groups = layer.inputs.div_ceil(TOGETHER);
    let [row_step, column_step] = copies.look.window_steps;
    let columns = || (0..kernel_columns).step_by(columns_at_once(layer.inputs));
    let places = (0..kernel_rows).flat_map(|row| columns().map(move |column| row * row_step + column * column_step));
    let places = places.flat_map(|place| (0..groups).map(move |group| (group, place)));
    let mut count = 0;
    for ((group, place), step) in places.zip(steps.iter_mut()) {
        let bytes = group * 2 * copies.plane(layer) + place * of_pixel(layer.inputs);
        *step = f32::from_bits(u32::try_from(bytes).expect("copies are small"));
        count += 1;
    }
    &steps[..count]
}

/// Makes digits of what windows see, from that of the outputs of the row `first` on.
///
/// # Safety
/// The CPU has the instructions; the bytes of the copies can be written.
#[inline(always)]
unsafe fn copy(
    layer: &Dense,
    maps: &Maps<'_>,
    first: usize,
    copies: &Copies,
    quantization: Quantization,
    copied: *mut u8,
) {
    let [channels, height, width] = maps.shape;
    let Window { stride, dilation, padding, .. } = layer.window;
    let of_pixel = of_pixel(layer.inputs);
    let plane = copies.plane(layer);
    let Copies { count, size: [rows, columns], map_step, .. } = *copies;
    let offset = |place: usize, before: usize| place.cast_signed() - before.cast_signed();
    // SAFETY: the caller's word. A copy has `rows · columns` pixels, those of all copies fill a plane but for what is
    // beside the last row of a single one; pixels are read within their row of the map.
    unsafe {
        let fill = |to: *mut u8, bytes: usize| {
            to.write_bytes(quantization.zero, bytes);
            to.add(plane).write_bytes(0, bytes);
        };
        for group in 0..channels.div_ceil(TOGETHER) {
            let to = copied.add(group * 2 * plane);
            for copy in 0..count[0] * count[1] {
                let top = offset(first * stride[0] + copy / count[1] * dilation[0], padding.top);
                let left = offset(copy % count[1] * dilation[1], padding.left);
                // Columns whose pixels are on the map.
                let begin = (-left).max(0).cast_unsigned().div_ceil(map_step[1]).min(columns);
                let end = offset(width, 0) - left;
                let end = end.max(0).cast_unsigned().div_ceil(map_step[1]).clamp(begin, columns);
                for row in 0..rows {
                    let to = to.add((copy * rows + row) * columns * of_pixel);
                    let y = top + (row * map_step[0]).cast_signed();
                    if y < 0 || y >= height.cast_signed() || begin == end {
                        fill(to, columns * of_pixel);
                        continue;
                    }
                    fill(to, begin * of_pixel);
                    fill(to.add(end * of_pixel), (columns - end) * of_pixel);
                    let x = left + (begin * map_step[1]).cast_signed();
                    let pixel = y.cast_unsigned() * width + x.cast_unsigned();
                    let from = maps.x.as_ptr().add((group * (TOGETHER / LANES) * height * width + pixel) * LANES);
                    let (to, steps) = (to.add(begin * of_pixel), [height * width * LANES, map_step[1] * LANES]);
                    put_row(from, steps, end - begin, of_pixel, quantization, [to, to.add(plane)]);
                }
            }
            let all = count[0] * count[1] * rows * columns * of_pixel;
            fill(to.add(all), plane - all);
        }
    }
}

/// Puts first and second digits of so many pixels; `steps`: from a block to the next, and from a pixel to the next.
///
/// # Safety
/// The CPU has the instructions; the numbers of the pixels can be read, and as many bytes of each be written.
#[inline(always)]
unsafe fn put_row(
    from: *const f32,
    [block_step, step]: [usize; 2],
    pixels: usize,
    of_pixel: usize,
    quantization: Quantization,
    to: [*mut u8; 2],
) {
    // SAFETY: the caller's word.
    unsafe {
        if of_pixel == TOGETHER {
            for pixel in 0..pixels {
                let to = [to[0].add(pixel * of_pixel), to[1].add(pixel * of_pixel)];
                put_words(from.add(pixel * step), block_step, quantization, to);
            }
        } else {
            for pixel in 0..pixels {
                let to = [to[0].add(pixel * of_pixel), to[1].add(pixel * of_pixel)];
                put_few_words(from.add(pixel * step), block_step, quantization, to);
            }
        }
    }
}

/// Inputs of two blocks of a pixel, 16 bits each: of each four channels of the first, and then of the second.
///
/// # Safety
/// The CPU has the instructions; the numbers of both blocks can be read.
#[inline(always)]
unsafe fn words(from: *const f32, block_step: usize, quantization: Quantization) -> __m512i {
    // SAFETY: the caller's word.
    unsafe {
        let (per_unit, zero) =
            (_mm512_set1_ps(1.0 / quantization.step), _mm512_set1_ps(f32::from(quantization.zero) * DIGIT));
        let input = |block: usize| {
            _mm512_cvtps_epi32(_mm512_fmadd_ps(Avx512::load(from.add(block * block_step)), per_unit, zero))
        };
        _mm512_packus_epi32(input(0), input(1))
    }
}

/// The first digits of words; their second are their lower bytes.
///
/// # Safety
/// The CPU has the instructions.
#[inline(always)]
unsafe fn first_digits(words: __m512i) -> __m512i {
    // SAFETY: the caller's word.
    unsafe { _mm512_srli_epi16::<8>(_mm512_add_epi16(words, _mm512_set1_epi16(128))) }
}

/// Puts first and second digits of the inputs of four blocks of a pixel.
///
/// # Safety
/// The CPU has the instructions; the numbers of the blocks can be read, and 64 bytes be written to each place.
#[inline(always)]
unsafe fn put_words(from: *const f32, block_step: usize, quantization: Quantization, to: [*mut u8; 2]) {
    // SAFETY: the caller's word.
    unsafe {
        let lower = _mm512_set1_epi16(255);
        let (a, b) = (words(from, block_step, quantization), words(from.add(2 * block_step), block_step, quantization));
        let first = _mm512_packus_epi16(first_digits(a), first_digits(b));
        let second = _mm512_packus_epi16(_mm512_and_si512(a, lower), _mm512_and_si512(b, lower));
        _mm512_storeu_si512(to[0].cast(), first);
        _mm512_storeu_si512(to[1].cast(), second);
    }
}

/// [`put_words`] of two blocks.
///
/// # Safety
/// As there, of two blocks and 32 bytes.
#[inline(always)]
unsafe fn put_few_words(from: *const f32, block_step: usize, quantization: Quantization, to: [*mut u8; 2]) {
    // SAFETY: the caller's word.
    unsafe {
        let words = words(from, block_step, quantization);
        _mm256_storeu_si256(to[0].cast(), _mm512_cvtepi16_epi8(first_digits(words)));
        _mm256_storeu_si256(to[1].cast(), _mm512_cvtepi16_epi8(words));
    }
}

/// Instructions for tiles, with `{row}` the bytes of a row of weights and of sums.
macro_rules! with_tiles {
    ($($instruction:literal),*; $($name:ident = $value:expr),*) => {
        asm!(
            $($instruction,)*
            "/* {row} */",
            $($name = in(reg) $value,)*
            row = in(reg) ROW,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, preserves_flags),
        )
    };
}

/// Sums of products of first digits, for two tiles of pixels or two blocks, and then of those of a first and a second.
#[repr(C, align(64))]
struct FourTiles([[f32; TILE]; 4]);

/// What sums are made of.
struct Job<'a> {
    layer: &'a Dense,
    weights: &'a FixedPoint,
    quantization: Quantization,
    steps: &'a [f32],
    look: &'a Look,
    /// Bytes from first digits to second.
    plane: usize,
    x: *const u8,
}

impl Job<'_> {
    /// Sums of two tiles of pixels at once, of one block.
    ///
    /// # Safety
    /// As [`run`]; the rows of the outputs from `first` on are those that were copied.
    #[inline(always)]
    unsafe fn run_pixels(&self, maps: &mut Maps<'_>, first: usize) {
        let cut = Cut::new(self.look);
        let mut sums = FourTiles([[0.0; TILE]; 4]);
        let pixel_step = self.look.step * of_pixel(self.layer.inputs);
        // SAFETY: the caller's word: a tile has no more pixels than a run, and ends with it or before.
        unsafe {
            let _shapes = Shapes::set(cut.rows, ROW, 6..8);
            for block in 0..self.layer.outputs.div_ceil(LANES) {
                for tile in (0..cut.count).step_by(2) {
                    let places = [tile, tile + 1].map(|tile| cut.place(tile));
                    let [x, y] = places.map(|(run, begin)| {
                        let pixel = run * self.look.run_step + begin * self.look.step;
                        self.x.add(pixel * of_pixel(self.layer.inputs))
                    });
                    with_tiles!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3";);
                    let mut weights = self.of_block(block);
                    for step in self.steps {
                        let step = step.to_bits() as usize;
                        let (x, y) = (x.add(step), y.add(step));
                        // Sums follow each other so that none waits for what was added to it before.
                        with_tiles!(
                            "tileloadd tmm4, [{x} + {s}]",
                            "tileloadd tmm6, [{w} + {row} + 1024]",
                            "tdpbusd tmm2, tmm4, tmm6",
                            "tileloadd tmm5, [{y} + {s}]",
                            "tdpbusd tmm3, tmm5, tmm6",
                            "tileloadd tmm7, [{w} + {row}]",
                            "tdpbusd tmm0, tmm4, tmm7",
                            "tileloadd tmm4, [{second_x} + {s}]",
                            "tdpbssd tmm2, tmm4, tmm7",
                            "tileloadd tmm4, [{second_y} + {s}]",
                            "tdpbssd tmm3, tmm4, tmm7",
                            "tdpbusd tmm1, tmm5, tmm7";
                            x = x, y = y, second_x = x.add(self.plane), second_y = y.add(self.plane),
                            s = pixel_step, w = weights
                        );
                        weights = weights.add(STEP_WEIGHTS);
                    }
                    self.store(&mut sums);
                    for (index, (run, begin)) in places.into_iter().enumerate() {
                        self.finish(maps, block, first + run, begin..begin + cut.rows, &sums, index);
                    }
                }
            }
        }
    }

    /// Sums of one tile of pixels, of two blocks at once.
    ///
    /// # Safety
    /// As [`run_pixels`](Self::run_pixels); no more outputs than a tile has rows, one after the other.
    #[inline(always)]
    unsafe fn run_blocks(&self, maps: &mut Maps<'_>, first: usize) {
        let blocks = self.layer.outputs.div_ceil(LANES);
        let mut sums = FourTiles([[0.0; TILE]; 4]);
        let pixel_step = self.look.step * of_pixel(self.layer.inputs);
        // SAFETY: the caller's word.
        unsafe {
            let _shapes = Shapes::set(self.look.run, ROW, 6..8);
            for block in (0..blocks).step_by(2) {
                // An odd last one is made twice.
                let second = (block + 1).min(blocks - 1);
                with_tiles!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3";);
                let [mut weights, mut others] = [block, second].map(|block| self.of_block(block));
                for step in self.steps {
                    let x = self.x.add(step.to_bits() as usize);
                    with_tiles!(
                        "tileloadd tmm4, [{x} + {s}]",
                        "tileloadd tmm6, [{w} + {row} + 1024]",
                        "tdpbusd tmm2, tmm4, tmm6",
                        "tileloadd tmm7, [{v} + {row} + 1024]",
                        "tdpbusd tmm3, tmm4, tmm7",
                        "tileloadd tmm6, [{w} + {row}]",
                        "tdpbusd tmm0, tmm4, tmm6",
                        "tileloadd tmm5, [{second_x} + {s}]",
                        "tdpbssd tmm2, tmm5, tmm6",
                        "tileloadd tmm7, [{v} + {row}]",
                        "tdpbssd tmm3, tmm5, tmm7",
                        "tdpbusd tmm1, tmm4, tmm7";
                        x = x, second_x = x.add(self.plane), s = pixel_step, w = weights, v = others
                    );
                    weights = weights.add(STEP_WEIGHTS);
                    others = others.add(STEP_WEIGHTS);
                }
                self.store(&mut sums);
                for (index, block) in (block..=second).enumerate() {
                    self.finish(maps, block, first, 0..self.look.run, &sums, index);
                }
            }
        }
    }

    /// # Safety
    /// The block is one of the outputs.
    unsafe fn of_block(&self, block: usize) -> *const f32 {
        // SAFETY: the caller's word.
        unsafe { self.weights.weights.numbers().as_ptr().add(block * self.steps.len() * STEP_WEIGHTS) }
    }

    /// # Safety
    /// Shapes are set.
    #[inline(always)]
    unsafe fn store(&self, sums: &mut FourTiles) {
        // SAFETY: the caller's word; a tile has no more numbers.
        unsafe {
            with_tiles!(
                "tilestored [{sums} + {row}], tmm0",
                "tilestored [{sums} + {row} + 1024], tmm1",
                "tilestored [{sums} + {row} + 2048], tmm2",
                "tilestored [{sums} + {row} + 3072], tmm3";
                sums = sums.0.as_mut_ptr()
            );
        }
    }

    /// Puts sums into the output.
    ///
    /// # Safety
    /// As [`finish`](finish()).
    #[inline(always)]
    unsafe fn finish(
        &self,
        maps: &mut Maps<'_>,
        block: usize,
        row: usize,
        pixels: Range<usize>,
        sums: &FourTiles,
        index: usize,
    ) {
        // SAFETY: the caller's word; the first two tiles have a third and a fourth.
        unsafe {
            let sums = DigitSums::new(self, block, [index, index + 2].map(|tile| &sums.0[tile]));
            finish(self.layer, maps, block, self.look, row, pixels, &sums);
        }
    }
}

/// Sums of a tile for a block.
struct DigitSums<'a> {
    /// Of products of first digits, and of a first and a second.
    digits: [&'a [f32; TILE]; 2],
    start: __m512,
    step: __m512,
}

impl<'a> DigitSums<'a> {
    /// # Safety
    /// The CPU has AVX-512; the block is one of the layer's.
    #[inline(always)]
    unsafe fn new(job: &Job<'_>, block: usize, digits: [&'a [f32; TILE]; 2]) -> Self {
        let Quantization { step, zero } = job.quantization;
        // SAFETY: the caller's word.
        unsafe {
            let [steps, sums] = [&job.weights.steps, &job.weights.sums].map(|numbers| numbers.numbers().as_ptr());
            let step = _mm512_mul_ps(Avx512::load(steps.add(block * LANES)), _mm512_set1_ps(step));
            let of_zero = _mm512_mul_ps(Avx512::load(sums.add(block * LANES)), _mm512_set1_ps(f32::from(zero) * DIGIT));
            let start = Avx512::load(job.layer.starts.numbers().as_ptr().add(block * LANES));
            let start = _mm512_fnmadd_ps(of_zero, step, start);
            Self { digits, start, step: _mm512_mul_ps(step, _mm512_set1_ps(DIGIT)) }
        }
    }
}

impl Sums for DigitSums<'_> {
    #[inline(always)]
    unsafe fn number(&self, pixel: usize) -> __m512 {
        // SAFETY: the caller's word.
        unsafe {
            let first = _mm512_castps_si512(Avx512::load(self.digits[0].as_ptr().add(pixel * LANES)));
            let second = _mm512_castps_si512(Avx512::load(self.digits[1].as_ptr().add(pixel * LANES)));
            let sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(first), _mm512_set1_ps(DIGIT), _mm512_cvtepi32_ps(second));
            _mm512_fmadd_ps(sum, self.step, self.start)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tests::numbers;

    /// `[blocks][16]` numbers, put and read again.
    fn put_and_read(inputs: &[f32]) -> Vec<f32> {
        let mut bytes = [[0_u8; TOGETHER]; 2];
        let to = bytes.each_mut().map(|bytes| bytes.as_mut_ptr());
        // SAFETY: the test runs where there are the instructions; blocks follow each other, and there are bytes for
        // twice as many.
        let quantization = unsafe {
            let quantization = Quantization::of(inputs);
            if inputs.len() == TOGETHER {
                put_words(inputs.as_ptr(), LANES, quantization, to);
            } else {
                put_few_words(inputs.as_ptr(), LANES, quantization, to);
            }
            quantization
        };
        let read = |channel: usize| {
            let place = place_of(channel, inputs.len());
            let number = 256 * i32::from(bytes[0][place]) + i32::from(bytes[1][place].cast_signed());
            (number - 256 * i32::from(quantization.zero)) as f32 * quantization.step
        };
        (0..inputs.len()).map(read).collect()
    }

    #[test]
    fn inputs_are_near_what_their_digits_say_and_zero_is_itself() {
        if !Instructions::Avx512.are_available() {
            return;
        }
        let bounds = [[0.0, 1.0], [-1.0, 1.0], [-7.0, 0.1], [-1e-3, 900.0], [0.0, 1e-30], [-1e30, 3e30], [0.0, 0.0]];
        for ([low, high], count) in bounds.into_iter().flat_map(|bounds| [(bounds, 32), (bounds, TOGETHER)]) {
            let mut inputs = numbers(3, count);
            inputs.iter_mut().for_each(|input| *input = low + (*input + 1.0) / 2.0 * (high - low));
            [inputs[1], inputs[2], inputs[17]] = [low, high, 0.0];
            let read = put_and_read(&inputs);
            assert_eq!(read[17].to_bits(), 0.0_f32.to_bits());
            for (channel, (input, read)) in inputs.iter().zip(read).enumerate() {
                let most = 0.51 * (high - low) / (MOST_INPUT - DIGIT);
                assert!((input - read).abs() <= most, "{channel} of {low}..{high}: {input} became {read}");
            }
        }
    }

    #[test]
    fn what_is_no_number_gives_none() {
        if !Instructions::Avx512.are_available() {
            return;
        }
        for wrong in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut inputs = numbers(3, TOGETHER);
            inputs[40] = wrong;
            assert!(put_and_read(&inputs).iter().all(|read| read.is_nan()), "{wrong}");
        }
    }
}

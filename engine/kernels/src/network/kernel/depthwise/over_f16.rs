//! Windows of 3×3 over maps of 16-bit numbers, whose sums become bytes: a register has the numbers of two blocks.

use std::arch::x86_64::*;

use super::super::dense::Maps;
use super::super::f16::{BOUND, BendF16, BendF16At, TOGETHER, Unit, fits, packed, slope};
use super::super::tile::{Tiles, with_tile};
use super::{Depthwise, within};
use crate::network::bands::{Band, in_room};
use crate::network::graph::Window;
use crate::network::lanes::{Avx512, F16, Lanes, Pieces, Put, Single};
use crate::network::memory::Memory;

/// Weights for such maps, all of them of 16 bits.
#[derive(Debug, Clone)]
pub(super) struct OverF16 {
    /// `[channels / 32][9][32]`.
    weights: Memory,
    bias: Memory,
    bend: BendF16,
    /// Bytes for each 1 of a sum: 1, or as many as it takes for no sum to be too large for 16 bits.
    bytes: f32,
}

/// The most bytes for each 1 of a sum.
const MOST_BYTES: f32 = 1024.0;

impl OverF16 {
    /// Those of a convolution for a map of these units; `None` where it has another window, or a sum could be too large.
    pub(super) fn new(layer: &Depthwise, units: &[Unit]) -> Option<Self> {
        let lanes = const { Avx512::LANES };
        let can = [Window::square(3, 1, 1), Window::square(3, 2, 1)].contains(&layer.window)
            && !layer.is_pooled
            && layer.bias_step == 0
            && layer.channels.is_multiple_of(TOGETHER);
        if !can {
            return None;
        }
        let per_one = layer.gives.steps.per_unit;
        let weight = |channel: usize, tap: usize| {
            let place = (channel / lanes * 9 + tap) * lanes + channel % lanes;
            layer.weights.numbers()[place] * per_one / units[channel].per_one
        };
        let bias = |channel: usize| layer.bias.numbers()[channel] * per_one;
        let channels = 0..layer.channels;
        let most = |channel: usize| {
            let sum: f32 = (0..9).map(|tap| weight(channel, tap).abs()).sum();
            let slope = slope(&layer.bend, channel).unwrap_or(1.0);
            (sum * BOUND + bias(channel).abs()) * slope.abs().max(1.0)
        };
        let most: Vec<f32> = channels.clone().map(most).collect();
        let mut bytes = 1.0;
        while !most.iter().all(|most| fits(most / bytes)) {
            bytes *= 2.0;
            if bytes > MOST_BYTES {
                return None;
            }
        }
        let of_tap = |both: usize| move |tap: usize| (0..TOGETHER).map(move |lane| (both * TOGETHER + lane, tap));
        let places = (0..layer.channels / TOGETHER).flat_map(|both| (0..9).flat_map(of_tap(both)));
        Some(Self {
            weights: packed(places.map(|(channel, tap)| weight(channel, tap) / bytes)),
            bias: packed(channels.map(|channel| bias(channel) / bytes)),
            bend: BendF16::new(&layer.bend, layer.channels, per_one / bytes)?,
            bytes,
        })
    }

    pub(super) fn weight_bytes(&self) -> usize {
        size_of_val(self.weights.numbers())
    }

    /// # Safety
    /// The CPU has AVX-512 FP16; it is that layer's, and the lengths are those that [`Depthwise::run`] checks.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512fp16,fma")]
    pub(super) unsafe fn run(&self, layer: &Depthwise, maps: &mut Maps<'_>) {
        // SAFETY: the caller's word.
        unsafe {
            match layer.window.stride[1] {
                1 => run_stride::<1>(self, layer, maps),
                _ => run_stride::<2>(self, layer, maps),
            }
        }
    }
}

/// A row of two blocks of the output.
struct Row<'a> {
    /// Of the map, and how many there are, with their weights.
    rows: [*const f32; 3],
    count: usize,
    weights: &'a [[__m512h; 3]],
    bias: __m512h,
    bend: BendF16At,
    out: &'a Out,
    /// Whether the last window has its last column beside the map.
    is_beyond: bool,
    columns: usize,
    y: [*mut f32; 2],
}

/// How sums become bytes.
struct Out {
    /// For each 1 of a sum.
    bytes: __m512h,
    /// The byte of zero, and the greatest.
    zero: __m512h,
    most: __m512h,
    /// Which eight bytes of two pixels go where: those of the first place of two before those of the second.
    order: __m512i,
    /// Numbers from a pixel to the next.
    pixel_step: usize,
    /// Whether each of the two places has a block, of both pixels; a pixel otherwise, of both blocks.
    is_by_block: bool,
}

impl Out {
    /// # Safety
    /// The CPU has AVX-512 FP16.
    #[inline(always)]
    unsafe fn new(bytes: f32, gives: Pieces) -> Self {
        let is_by_block = gives.blocks_together() == 1;
        // SAFETY: the caller's word.
        unsafe {
            Self {
                bytes: F16::splat(bytes),
                zero: F16::splat(f32::from(gives.steps.zero)),
                most: F16::splat(255.0),
                order: match is_by_block {
                    true => _mm512_setr_epi64(0, 2, 1, 3, 4, 6, 5, 7),
                    false => _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7),
                },
                pixel_step: gives.of_pixel(Avx512::LANES),
                is_by_block,
            }
        }
    }

    /// Words that are bytes but for the signs of those below zero.
    ///
    /// # Safety
    /// The CPU has AVX-512 FP16.
    #[inline(always)]
    unsafe fn words(&self, numbers: __m512h) -> __m512i {
        // SAFETY: the caller's word.
        unsafe { _mm512_cvtph_epi16(_mm512_min_ph(_mm512_fmadd_ph(numbers, self.bytes, self.zero), self.most)) }
    }

    /// Puts two pixels, or the first of them alone.
    ///
    /// # Safety
    /// The CPU has AVX-512 FP16; they can be written from `y` on, with two blocks by themselves to both.
    #[inline(always)]
    unsafe fn put(&self, numbers: [__m512h; 2], is_alone: bool, y: [*mut f32; 2], column: usize) {
        // SAFETY: the caller's word.
        unsafe {
            let bytes = _mm512_packus_epi16(self.words(numbers[0]), self.words(numbers[1]));
            let bytes = _mm512_permutexvar_epi64(self.order, bytes);
            let halves = [_mm512_castsi512_si256(bytes), _mm512_extracti64x4_epi64::<1>(bytes)];
            let y = y.map(|y| y.add(column * self.pixel_step));
            match (self.is_by_block, is_alone) {
                (true, true) => {
                    _mm_storeu_si128(y[0].cast(), _mm256_castsi256_si128(halves[0]));
                    _mm_storeu_si128(y[1].cast(), _mm256_castsi256_si128(halves[1]));
                }
                (true, false) => {
                    _mm256_storeu_si256(y[0].cast(), halves[0]);
                    _mm256_storeu_si256(y[1].cast(), halves[1]);
                }
                (false, _) => {
                    _mm256_storeu_si256(y[0].cast(), halves[0]);
                    if !is_alone {
                        _mm256_storeu_si256(y[0].add(self.pixel_step).cast(), halves[1]);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn run_stride<const S: usize>(over_f16: &OverF16, layer: &Depthwise, maps: &mut Maps<'_>) {
    let lanes = const { Avx512::LANES };
    let [channels, height, width] = maps.shape;
    let columns = maps.size[1];
    let Band { x_room, y_room, rows: made, .. } = maps.band.clone();
    let tiles = Tiles::new(1, columns, Avx512::PIXELS);
    // SAFETY: the caller's word: maps have these rows and columns in each two blocks, weights and bias those of all
    // blocks; a row of the window is pointed to where it is on the map.
    unsafe {
        let out = Out::new(over_f16.bytes, layer.gives);
        for block in (0..channels / lanes).step_by(2) {
            let weight = |row: usize, column: usize| F16::load(&over_f16.weights, block / 2 * 9 + row * 3 + column);
            let weights = [0, 1, 2].map(|row| [0, 1, 2].map(|column| weight(row, column)));
            let (bias, bend) = (F16::load(&over_f16.bias, block / 2), over_f16.bend.at(block / 2));
            let x = maps.x.as_ptr().add(block / 2 * x_room * width * lanes);
            let first = [block, block + 1].map(|block| layer.gives.place(lanes, block, y_room * columns));
            for row in made.clone() {
                let top = row * S;
                let within = within(top, 3, 1, 1, height);
                let begin = maps.band.x_place(top + within.start - 1);
                let pixel = maps.band.y_place(row) * columns;
                let y = first.map(|first| maps.y.as_mut_ptr().add(first + pixel * out.pixel_step));
                let job = Row {
                    rows: [0, 1, 2].map(|row| x.wrapping_add(in_room(begin + row, x_room) * width * lanes)),
                    count: within.len(),
                    weights: &weights[within.clone()],
                    bias,
                    bend,
                    out: &out,
                    is_beyond: (columns - 1) * S + 1 >= width,
                    columns,
                    y,
                };
                for tile in 0..tiles.count {
                    let (column, size) = tiles.get(tile);
                    with_tile!(Single<Avx512>, size, 1, sum_tile(&job, column, S));
                }
            }
        }
    }
}

/// `P` pixels from `column` on, `stride` 1 or 2.
///
/// # Safety
/// The CPU has AVX-512 FP16; the columns are within the output, and the rows on the map.
#[inline(always)]
unsafe fn sum_tile<T: Put, const P: usize, const B: usize>(job: &Row<'_>, column: usize, stride: usize) {
    let lanes = const { T::Lanes::LANES };
    // SAFETY: the caller's word; before the first column and after the last nothing is read.
    unsafe {
        let load = |from: *const f32| _mm512_castps_ph(_mm512_loadu_ps(from));
        let mut sums = [job.bias; P];
        for (row, weights) in job.rows[..job.count].iter().zip(job.weights) {
            let x = row.add(column * stride * lanes);
            let mut before = if column == 0 { _mm512_setzero_ph() } else { load(x.sub(lanes)) };
            let mut here = load(x);
            for (pixel, sum) in sums.iter_mut().enumerate() {
                let after = if pixel + 1 == P && column + P == job.columns && job.is_beyond {
                    _mm512_setzero_ph()
                } else {
                    load(x.add((pixel * stride + 1) * lanes))
                };
                *sum = _mm512_fmadd_ph(before, weights[0], *sum);
                *sum = _mm512_fmadd_ph(here, weights[1], *sum);
                *sum = _mm512_fmadd_ph(after, weights[2], *sum);
                if stride == 1 {
                    (before, here) = (here, after);
                } else if pixel + 1 < P {
                    (before, here) = (after, load(x.add((pixel + 1) * 2 * lanes)));
                }
            }
        }
        match job.bend {
            BendF16At::Slopes(slopes) => {
                sums.iter_mut().for_each(|sum| *sum = BendF16At::Slopes(slopes).apply(*sum));
            }
            BendF16At::Bounds(bounds) => {
                sums.iter_mut().for_each(|sum| *sum = BendF16At::Bounds(bounds).apply(*sum));
            }
        }
        for pair in 0..P / 2 {
            job.out.put([sums[2 * pair], sums[2 * pair + 1]], false, job.y, column + 2 * pair);
        }
        if P % 2 == 1 {
            job.out.put([sums[P - 1]; 2], true, job.y, column + P - 1);
        }
    }
}

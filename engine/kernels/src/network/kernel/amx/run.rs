//! A convolution in tiles, a few rows after the other.

use std::arch::x86_64::*;
use std::marker::PhantomData;
use std::ops::Range;

use super::inputs::{Look, copy};
use super::tiles::{Job, MOST_ROWS, Numbers, Pixels, Shapes};
use super::{LANES, TILE, halves};
use crate::network::Precision;
use crate::network::kernel::dense::{Dense, Maps};
use crate::network::kernel::f16::{BendF16At, FromTiles};
use crate::network::kernel::finish::{BendAt, with_bend};
use crate::network::lanes::{Avx512, Bf16, F16, Halves, Int8, Lanes};
use crate::network::memory::Memory;

/// Copied numbers that stay in the second level of the cache beside weights.
const COPIED_NUMBERS: usize = 48 << 10;

/// Numbers of scratch for outputs of this size.
pub(in crate::network::kernel) fn scratch_numbers(layer: &Dense, width: usize, [rows, columns]: [usize; 2]) -> usize {
    let steps = steps(layer).next_multiple_of(LANES);
    if layer.is_given {
        return steps;
    }
    steps + copied_numbers(layer, width, rows_at_once(layer, width, [rows, columns]), columns)
}

/// Steps of a sum.
fn steps(layer: &Dense) -> usize {
    let [rows, columns] = layer.window.kernel;
    rows * columns * groups(layer)
}

/// Channels that are together.
fn groups(layer: &Dense) -> usize {
    layer.inputs.div_ceil(layer.takes.channels_together(LANES))
}

fn copied_numbers(layer: &Dense, width: usize, rows: usize, columns: usize) -> usize {
    groups(layer) * Look::new(layer, None, width, rows, columns).plane * layer.takes.of_pixel(LANES)
}

/// Rows of outputs whose inputs are copied at once.
fn rows_at_once(layer: &Dense, width: usize, [rows, columns]: [usize; 2]) -> usize {
    let of_row = groups(layer) * Look::new(layer, None, width, 1, columns).row_step() * layer.takes.of_pixel(LANES);
    (COPIED_NUMBERS / of_row).min(rows).max(1)
}

/// # Safety
/// The CPU has AMX and the process may use it; the lengths are those that [`Dense::run`] checks.
pub(in crate::network::kernel) unsafe fn run(layer: &Dense, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe {
        match layer.takes.precision {
            Precision::F32 if layer.takes.blocks_together() == 1 => run_tiles::<Halves<1>>(layer, maps),
            Precision::F32 => run_tiles::<Halves<2>>(layer, maps),
            Precision::Bf16 => run_tiles::<Bf16>(layer, maps),
            Precision::Int8 => run_tiles::<Int8>(layer, maps),
        }
    }
}

/// # Safety
/// As [`run`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
unsafe fn run_tiles<T: Numbers>(layer: &Dense, maps: &mut Maps<'_>) {
    let [_, _, width] = maps.shape;
    let columns = maps.size[1];
    let all = maps.band.rows.clone();
    let at_once = if layer.is_given { all.len() } else { rows_at_once(layer, width, [all.len(), columns]) };
    let scratch = std::mem::take(&mut maps.scratch);
    let (step_numbers, copied) = scratch.split_at_mut(steps(layer).next_multiple_of(LANES));
    let step_numbers = &mut step_numbers[..steps(layer)];
    for first in all.clone().step_by(at_once) {
        let rows = first..all.end.min(first + at_once);
        let given_plane = layer.is_given.then(|| maps.band.x_room * width);
        let look = Look::new(layer, given_plane, width, rows.len(), columns);
        look.put_steps(layer, step_numbers);
        // SAFETY: the caller's word.
        unsafe {
            let x = if layer.is_given {
                let before = maps.band.x_place(rows.start) * width;
                maps.x[before * layer.takes.of_pixel(LANES)..].as_ptr()
            } else {
                copy::<T>(layer, maps, rows.clone(), &look, copied);
                copied.as_ptr()
            };
            run_rows::<T>(layer, maps, rows, &look, x, step_numbers);
        }
    }
    maps.scratch = scratch;
}

/// Outputs of runs, in tiles of one size. An output may be in two.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    run: usize,
    /// Tiles of a run.
    of_run: usize,
    /// Tiles of all runs.
    pub(super) count: usize,
    /// Outputs of each.
    pub(super) rows: usize,
}

impl Cut {
    pub(super) fn new(look: &Look) -> Self {
        let Look { run, runs, .. } = *look;
        let least = run.div_ceil(MOST_ROWS);
        // Two are multiplied at once.
        let of_run = if runs == 1 { least.next_multiple_of(2) } else { least };
        Self { run, of_run, count: runs * of_run, rows: run.div_ceil(of_run) }
    }

    /// The run of a tile, and its first output there; of one after the last, those of the last.
    pub(super) fn place(self, tile: usize) -> (usize, usize) {
        let tile = tile.min(self.count - 1);
        // Most have one, and a division takes as long as what is saved.
        let (run, tile) = if self.count == self.of_run { (0, tile) } else { (tile / self.of_run, tile % self.of_run) };
        (run, (tile * self.rows).min(self.run - self.rows))
    }
}

/// Tiles of pixels for which sums are made at once, at most: weights at hand are loaded once for them.
const MOST_AT_ONCE: usize = 8;
/// Those whose sums are put beside, and have to stay in the first level of the cache.
const MOST_BESIDE: usize = 4;

/// # Safety
/// As [`run`]; `x` is the first of the pixels that `look` and `steps` lead to.
#[inline(always)]
unsafe fn run_rows<T: Numbers>(
    layer: &Dense,
    maps: &mut Maps<'_>,
    rows: Range<usize>,
    look: &Look,
    x: *const f32,
    steps: &[f32],
) {
    #[repr(C, align(64))]
    struct Beside([[[f32; TILE]; 2]; MOST_BESIDE]);
    let mut sums = Beside([[[0.0; TILE]; 2]; MOST_BESIDE]);
    let cut = Cut::new(look);
    let of_pixel = layer.takes.of_pixel(LANES);
    let blocks = layer.outputs.div_ceil(LANES);
    let block_weights = steps.len() * halves(layer.takes.precision) * TILE;
    let y_block = maps.band.y_room * maps.size[1] * LANES;
    let y_first = maps.band.y_place(rows.start) * maps.size[1];
    // Sums that are outputs as they are, of pixels one after the other, are put there at once.
    let has_no_offset = layer.offset_of_tiles().is_some_and(|offset| offset.iter().all(|&number| number == 0.0));
    let is_plain = has_no_offset && maps.residual.is_none() && look.used == look.row;
    let at_once = match steps.len() <= T::STEPS_AT_HAND {
        true if is_plain => MOST_AT_ONCE,
        true => MOST_BESIDE,
        false => 2,
    };
    // SAFETY: the caller's word: a tile has no more pixels than a run, and ends with it or before; blocks are below those
    // of the outputs.
    unsafe {
        let weights = if steps.len() <= T::STEPS_AT_HAND { 4..8 } else { 6..8 };
        let _shapes = Shapes::set(cut.rows, T::BLOCK * layer.takes.blocks_together(), weights);
        for block in (0..blocks).step_by(2) {
            // An odd last one is made twice, but with its weights at hand.
            let second = (blocks - block).min(2) - 1;
            let weights = layer.weights.numbers().as_ptr().add(block * block_weights);
            let weights = [weights, weights.add(second * block_weights)];
            let y = maps.y.as_mut_ptr().add(block * y_block);
            for first in (0..cut.count).step_by(at_once) {
                let count = at_once.min(cut.count - first).next_multiple_of(2);
                let mut tiles = [Pixels { inputs: x, sums: [y; 2] }; MOST_AT_ONCE];
                for (place, tile) in tiles[..count].iter_mut().enumerate() {
                    let (run, begin) = cut.place(first + place);
                    tile.inputs = x.add((run * look.run_step + begin * look.step) * of_pixel);
                    tile.sums = if is_plain {
                        let y = y.add((y_first + run * look.run + begin) * LANES);
                        [y, y.add(second * y_block)]
                    } else {
                        sums.0[place].each_mut().map(|sums| sums.as_mut_ptr())
                    };
                }
                let tiles = &tiles[..count];
                let pixel_step = look.step * of_pixel * size_of::<f32>();
                T::multiply(&Job { steps, tiles, pixel_step, weights, is_alone: second == 0 });
                if is_plain {
                    continue;
                }
                for (place, sums) in sums.0[..count].iter().enumerate() {
                    let (run, begin) = cut.place(first + place);
                    let (row, pixels) = (rows.start + run, begin..begin + cut.rows);
                    if let Some(from_tiles) = &layer.from_tiles {
                        finish_f16(from_tiles, maps, block, look, row, pixels, sums);
                        continue;
                    }
                    for (place, sums) in sums[..=second].iter().enumerate() {
                        let sums = TileSums::<T>::new(layer, block + place, sums);
                        finish(layer, maps, block + place, look, row, pixels.clone(), &sums);
                    }
                }
            }
        }
    }
}

/// What sums for a block stand for.
pub(super) trait Sums {
    /// The numbers of a pixel.
    ///
    /// # Safety
    /// The CPU has AVX-512; there is such a pixel.
    unsafe fn number(&self, pixel: usize) -> __m512;
}

/// Those of a tile.
struct TileSums<'a, T> {
    sums: &'a [f32; TILE],
    starts: __m512,
    scales: __m512,
    bias: __m512,
    numbers: PhantomData<T>,
}

impl<'a, T: Numbers> TileSums<'a, T> {
    /// # Safety
    /// The CPU has AVX-512; the block is one of the layer's.
    #[inline(always)]
    unsafe fn new(layer: &Dense, block: usize, sums: &'a [f32; TILE]) -> Self {
        // SAFETY: the caller's word.
        unsafe {
            let starts = Avx512::load(layer.starts.numbers().as_ptr().add(block * LANES));
            let scales = Avx512::load(layer.scales.numbers().as_ptr().add(block * LANES));
            let bias = Avx512::load(layer.bias.numbers().as_ptr().add(block * LANES));
            Self { sums, starts, scales, bias, numbers: PhantomData }
        }
    }
}

impl<T: Numbers> Sums for TileSums<'_, T> {
    #[inline(always)]
    unsafe fn number(&self, pixel: usize) -> __m512 {
        // SAFETY: the caller's word.
        unsafe { T::end(Avx512::load(self.sums.as_ptr().add(pixel * LANES)), self.starts, self.scales, self.bias) }
    }
}

/// Puts the sums of a tile for a block into the output: those of the outputs `pixels` of a run, the first of which are in
/// row `row`.
///
/// # Safety
/// As [`run`]; rows and pixels are those of the output.
#[inline(always)]
pub(super) unsafe fn finish(
    layer: &Dense,
    maps: &mut Maps<'_>,
    block: usize,
    look: &Look,
    row: usize,
    pixels: Range<usize>,
    sums: &impl Sums,
) {
    let columns = maps.size[1];
    // Where the row is in memory, and in the residual.
    let y_row = (block * maps.band.y_room + maps.band.y_place(row)) * columns;
    let residual_row = row * columns;
    // SAFETY: the caller's word; the residual has as many pixels as the whole output, in as many blocks as its channels
    // fill.
    unsafe {
        let residual = match maps.residual {
            Some((residual, channels)) if block < channels / LANES => {
                Some(residual.as_ptr().add(block * maps.size[0] * columns * LANES))
            }
            _ => None,
        };
        for (sum, place, count) in Rows::new(look, pixels, columns) {
            let y = maps.y.as_mut_ptr().add((y_row + place) * LANES);
            let residual = residual.map(|residual| residual.add((residual_row + place) * LANES));
            with_bend!(layer.bend.at(), bend => {
                for pixel in 0..count {
                    let mut number = sums.number(sum + pixel);
                    if let Some(residual) = residual {
                        number = Avx512::add(number, Avx512::load(residual.add(pixel * LANES)));
                    }
                    Avx512::store(y.add(pixel * LANES), bend.apply::<Avx512>(block, number));
                }
            });
        }
    }
}

/// [`finish`] for two blocks that are given in 16 bits.
///
/// # Safety
/// As [`finish`], and AVX-512 FP16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512fp16,fma")]
unsafe fn finish_f16(
    from_tiles: &FromTiles,
    maps: &mut Maps<'_>,
    block: usize,
    look: &Look,
    row: usize,
    pixels: Range<usize>,
    sums: &[[f32; TILE]; 2],
) {
    let columns = maps.size[1];
    let y_row = (block / 2 * maps.band.y_room + maps.band.y_place(row)) * columns;
    // SAFETY: the caller's word; numbers are there for all outputs, which are whole pairs of blocks.
    unsafe {
        let shifts = [0, 1].map(|place| {
            let shifts = from_tiles.shifts.numbers().as_ptr().add((block + place) * LANES);
            _mm512_castps_si512(Avx512::load(shifts))
        });
        let of_both = |numbers: &Memory| F16::load(numbers, block / 2);
        let starts = _mm512_castph_si512(of_both(&from_tiles.starts));
        let [per_word, bias] = [&from_tiles.per_word, &from_tiles.bias].map(of_both);
        let bend = from_tiles.bend.at(block / 2);
        for (sum, place, count) in Rows::new(look, pixels, columns) {
            let y = maps.y.as_mut_ptr().add((y_row + place) * LANES);
            let sums = [0, 1].map(|place| sums[place].as_ptr().add(sum * LANES));
            let put = |bend: BendF16At| {
                for pixel in 0..count {
                    let sum = |place: usize| {
                        let sum = _mm512_castps_si512(Avx512::load(sums[place].add(pixel * LANES)));
                        _mm512_srav_epi32(sum, shifts[place])
                    };
                    let words = _mm512_subs_epi16(_mm512_packs_epi32(sum(0), sum(1)), starts);
                    let numbers = _mm512_fmadd_ph(_mm512_cvtepi16_ph(words), per_word, bias);
                    Avx512::store(y.add(pixel * LANES), _mm512_castph_ps(bend.apply(numbers)));
                }
            };
            // So that the loop does not ask for the kind.
            match bend {
                BendF16At::Slopes(slopes) => put(BendF16At::Slopes(slopes)),
                BendF16At::Bounds(bounds) => put(BendF16At::Bounds(bounds)),
            }
        }
    }
}

/// The rows of those outputs, `pixels` of a run: of each the first output counted from the first of those, its place on the
/// map counted from the run's, and how many there are.
struct Rows<'a> {
    look: &'a Look,
    pixels: Range<usize>,
    columns: usize,
    pixel: usize,
}

impl<'a> Rows<'a> {
    fn new(look: &'a Look, pixels: Range<usize>, columns: usize) -> Self {
        let pixel = pixels.start;
        Self { look, pixels, columns, pixel }
    }
}

impl Iterator for Rows<'_> {
    type Item = (usize, usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        while self.pixel < self.pixels.end {
            let (pixel, row) = (self.pixel, self.look.row);
            let (down, column) = if pixel < row { (0, pixel) } else { (pixel / row, pixel % row) };
            if column >= self.look.used {
                self.pixel += row - column;
                continue;
            }
            let count = (self.look.used - column).min(self.pixels.end - pixel);
            self.pixel += count;
            return Some((pixel - self.pixels.start, down * self.columns + column, count));
        }
        None
    }
}

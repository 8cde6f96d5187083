//! Convolutions of each channel by itself.

// Sums are counted by constants, so that each is in a register of its own.
#![allow(clippy::needless_range_loop)]

#[cfg(target_arch = "x86_64")]
mod over_f16;
mod pooled;

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use self::over_f16::OverF16;
use super::dense::Maps;
#[cfg(target_arch = "x86_64")]
use super::f16::Unit;
use super::finish::{Bend, BendAt, blocked_weights, per_channel, with_bend};
use super::lanes;
use super::tile::{Tiles, with_tile};
use crate::Instructions;
use crate::network::Precision;
use crate::network::bands::{Band, in_room};
use crate::network::graph::Window;
#[cfg(target_arch = "x86_64")]
use crate::network::lanes::F16;
use crate::network::lanes::{Lanes, Pieces, Put, Register, Single, Steps, with_lanes};
use crate::network::memory::Memory;

/// Tiles of a row after which the next row follows: three rows of so many pixels stay in the first level of the cache.
const STRIP_TILES: usize = 8;

/// A depthwise convolution with its weights packed.
#[derive(Debug, Clone)]
pub(in crate::network) struct Depthwise {
    pub(in crate::network) channels: usize,
    pub(in crate::network) window: Window,
    /// Whether the greatest of each 2×2 of what it gives is taken.
    pub(in crate::network) is_pooled: bool,
    /// `[channels / lanes][kernel rows][kernel columns][lanes]`.
    weights: Memory,
    /// What sums begin with, in blocks; after [`take_offset`](Self::take_offset) `[beyond rows][beyond columns]` of those,
    /// as [`Beyond`] counts.
    bias: Memory,
    /// From one of those to the next, or 0.
    bias_step: usize,
    pub(in crate::network) bend: Bend,
    /// Where its map is in 16 bits.
    #[cfg(target_arch = "x86_64")]
    over_f16: Option<OverF16>,
    /// In which pieces it gives its map.
    pub(in crate::network) gives: Pieces,
}

impl Depthwise {
    /// Whether a pool after it can be taken together with it.
    pub(in crate::network) fn can_pool(window: &Window, pool: &Window) -> bool {
        pooled::can(window, pool)
    }

    /// From weights `[channels, 1, rows, columns]` and a bias of as many numbers as channels, or none; `is_pooled` with
    /// the pool that [can be](Self::can_pool) taken with it.
    pub(in crate::network) fn new(
        instructions: Instructions,
        channels: usize,
        (window, is_pooled): (Window, bool),
        weights: &[f32],
        bias: &[f32],
        bend: Bend,
    ) -> Self {
        let lanes = lanes(instructions);
        let taps = window.kernel[0] * window.kernel[1];
        let weights = blocked_weights(weights, channels, taps, lanes);
        assert!(bend.fits(channels.div_ceil(lanes), lanes), "slopes");
        Self {
            channels,
            window,
            is_pooled,
            weights,
            bias: per_channel(bias, channels, lanes),
            bias_step: 0,
            bend,
            #[cfg(target_arch = "x86_64")]
            over_f16: None,
            gives: Pieces::F32,
        }
    }

    /// The window that an output looks at.
    pub(in crate::network) fn looks(&self) -> &Window {
        if self.is_pooled { &pooled::LOOKS } else { &self.window }
    }

    /// Whether it has windows of three columns, side by side from one before the map on.
    fn slides(&self) -> bool {
        let Window { kernel, stride, dilation, padding, .. } = self.window;
        kernel[1] == 3 && stride[1] == 1 && dilation[1] == 1 && padding.left == 1 && padding.right == 1
    }

    /// Adds a number for each channel, in blocks, to its map from now on, not to the zeros beside it; `false`, and nothing
    /// changes, for windows that cannot.
    pub(in crate::network) fn take_offset(&mut self, offset: &[f32], lanes: usize) -> bool {
        if self.window != Window::square(3, 1, 1) || self.bias_step != 0 {
            return false;
        }
        let channels = self.bias.len();
        let mut bias = Memory::zeros(Beyond::COUNT * Beyond::COUNT * channels);
        for (place, bias) in bias.numbers_mut().chunks_exact_mut(channels).enumerate() {
            let [rows, columns] = [place / Beyond::COUNT, place % Beyond::COUNT].map(|beyond| Beyond(beyond).within());
            for (channel, bias) in bias.iter_mut().enumerate() {
                let weight = |row: usize, column: usize| {
                    f64::from(
                        self.weights.numbers()[(channel / lanes * 9 + row * 3 + column) * lanes + channel % lanes],
                    )
                };
                let sum: f64 = rows
                    .clone()
                    .flat_map(|row| columns.clone().map(move |column| (row, column)))
                    .map(|(row, column)| weight(row, column))
                    .sum();
                *bias = (f64::from(self.bias.numbers()[channel]) + f64::from(offset[channel]) * sum) as f32;
            }
        }
        (self.bias, self.bias_step) = (bias, channels);
        true
    }

    /// Takes its map in 16 bits from now on, in those units, where it gives bytes already. `false`, and nothing changes,
    /// where it cannot, or a sum could be too large for 16 bits.
    #[cfg(target_arch = "x86_64")]
    pub(in crate::network) fn take_f16(&mut self, instructions: Instructions, units: &[Unit]) -> bool {
        let can = F16::are_available(instructions) && self.gives.precision == Precision::Int8;
        self.over_f16 = if can { OverF16::new(self, units) } else { None };
        self.over_f16.is_some()
    }

    /// In which pieces its map is.
    fn takes(&self) -> Pieces {
        #[cfg(target_arch = "x86_64")]
        if self.over_f16.is_some() {
            return Pieces::F16;
        }
        Pieces::F32
    }

    /// What the sums of a block begin with.
    #[inline(always)]
    fn starts(&self, lanes: usize, block: usize, rows: Beyond) -> Starts {
        let place = rows.0 * Beyond::COUNT * self.bias_step + block * lanes;
        Starts { bias: self.bias.numbers()[place..].as_ptr(), step: self.bias_step }
    }

    pub(in crate::network) fn weight_bytes(&self) -> usize {
        let bytes = size_of_val(self.weights.numbers());
        #[cfg(target_arch = "x86_64")]
        let bytes = bytes + self.over_f16.as_ref().map_or(0, OverF16::weight_bytes);
        bytes
    }

    /// Its name, with what its map is made of where that is not f32.
    pub(in crate::network) fn name(&self) -> &'static str {
        if self.takes() == Pieces::F16 { "depthwise f16" } else { "depthwise" }
    }

    /// # Panics
    /// When the maps are shorter than their shapes say, or other than the convolution reads and gives.
    pub(in crate::network) fn run(&self, instructions: Instructions, maps: &mut Maps<'_>) {
        assert!(self.gives.precision.is_available(instructions));
        let lanes = lanes(instructions);
        let [channels, height, width] = maps.shape;
        assert_eq!(channels, self.channels);
        assert_eq!(self.looks().count([height, width]), Ok(maps.size));
        maps.check(lanes, channels, [self.takes().channels(), self.gives.channels()]);
        assert!(maps.have_rows_of(self.looks()));
        assert!(!self.is_pooled || maps.residual.is_none());
        #[cfg(target_arch = "x86_64")]
        if let Some(over_f16) = &self.over_f16 {
            assert!(F16::are_available(instructions) && maps.residual.is_none());
            // SAFETY: the CPU has the instructions, and the maps are as long as their shapes say.
            return unsafe { over_f16.run(self, maps) };
        }
        // SAFETY: the CPU has the instructions, and the maps are as long as their shapes say.
        unsafe {
            match self.gives.precision {
                #[cfg(target_arch = "x86_64")]
                Precision::F32 if self.gives.are_for_tiles() => match self.gives.blocks_together() {
                    1 => depthwise_bf16::<crate::network::lanes::Halves<1>>(self, maps),
                    _ => depthwise_bf16::<crate::network::lanes::Halves<2>>(self, maps),
                },
                Precision::F32 => depthwise(instructions, self, maps),
                #[cfg(target_arch = "x86_64")]
                Precision::Bf16 => depthwise_bf16::<crate::network::lanes::Bf16>(self, maps),
                #[cfg(target_arch = "x86_64")]
                Precision::Int8 => depthwise_int8(self, maps),
                #[cfg(not(target_arch = "x86_64"))]
                Precision::Bf16 | Precision::Int8 => unreachable!("they are available nowhere"),
            }
        };
    }
}

/// Where a window of three has rows or columns beyond the map: 1 before it, 2 after it, 3 both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Beyond(usize);

impl Beyond {
    const NONE: Self = Self(0);
    const COUNT: usize = 4;

    #[inline(always)]
    fn new(before: bool, after: bool) -> Self {
        Self(usize::from(before) + 2 * usize::from(after))
    }

    /// The rows or columns of the window that are on the map.
    fn within(self) -> Range<usize> {
        self.0 % 2..3 - self.0 / 2
    }
}

/// What the sums of a row of a block begin with.
#[derive(Debug, Clone, Copy)]
struct Starts {
    bias: *const f32,
    step: usize,
}

impl Starts {
    /// # Safety
    /// The CPU has the instructions.
    #[inline(always)]
    unsafe fn get<L: Lanes>(self, columns: Beyond) -> L::Register {
        // SAFETY: the caller's word; there are as many as `Beyond` counts, or all are one.
        unsafe { L::load(self.bias.add(columns.0 * self.step)) }
    }
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`Depthwise::run`] checks.
    depthwise = run_depthwise_single(layer: &Depthwise, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_depthwise_single<L: Lanes>(layer: &Depthwise, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe { run_depthwise::<Single<L>>(layer, maps) }
}

/// # Safety
/// As `depthwise`, and AVX-512 BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
unsafe fn depthwise_bf16<T: Put>(layer: &Depthwise, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word; the instructions are enabled.
    unsafe { run_depthwise::<T>(layer, maps) }
}

/// # Safety
/// As `depthwise`, and AVX-512 VNNI.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")]
unsafe fn depthwise_int8(layer: &Depthwise, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word; the instructions are enabled.
    unsafe { run_depthwise::<crate::network::lanes::Int8>(layer, maps) }
}

#[inline(always)]
unsafe fn run_depthwise<T: Put>(layer: &Depthwise, maps: &mut Maps<'_>) {
    if layer.is_pooled {
        // SAFETY: the caller's word.
        return unsafe { pooled::run::<T>(layer, maps) };
    }
    let lanes = const { T::Lanes::LANES };
    let [channels, height, width] = maps.shape;
    let [rows, columns] = maps.size;
    let Band { x_room, rows: made, .. } = maps.band.clone();
    let Window { kernel, stride, dilation, padding, .. } = layer.window;
    let taps = kernel[0] * kernel[1];
    let residual_blocks = maps.residual.map_or(0, |(_, channels)| channels / lanes);
    let slides = layer.slides();
    let tiles = Tiles::new(1, columns, T::Lanes::PIXELS);
    // Columns whose windows are within the map.
    let inner = whole(columns, width, kernel[1], stride[1], dilation[1], padding.left);
    let strips = if slides { tiles.count.div_ceil(STRIP_TILES) } else { 1 };
    for (block, strip) in (0..channels.div_ceil(lanes)).flat_map(|block| (0..strips).map(move |strip| (block, strip))) {
        for row in made.clone() {
            let top = row * stride[0];
            let kernel_rows = within(top, kernel[0], dilation[0], padding.top, height);
            // SAFETY: the block, the row and the column are within the output and the residual, whose lengths
            // `Depthwise::run` checked; so are the rows and columns of the windows within the input, as `within` and
            // `whole` say, and its rows among those that are there; a row of the window that is outside is never
            // pointed to.
            unsafe {
                let map_rows = maps.x.as_ptr().add(block * x_room * width * lanes);
                let weights = layer.weights.numbers().as_ptr().add(block * taps * lanes);
                let mut job = Row {
                    map: map_rows,
                    // A window that is beside the map looks at none.
                    top: match kernel_rows.is_empty() {
                        true => 0,
                        false => maps.band.x_place(top + kernel_rows.start * dilation[0] - padding.top),
                    },
                    room: x_room,
                    width,
                    rows: kernel_rows.len(),
                    row_step: dilation[0],
                    kernel_columns: 0..kernel[1],
                    dilation: dilation[1],
                    weights: weights.add(kernel_rows.start * kernel[1] * lanes),
                    weights_step: kernel[1] * lanes,
                    // Windows that are not of three have no other.
                    starts: layer.starts(lanes, block, Beyond::new(kernel_rows.start > 0, kernel_rows.end < kernel[0])),
                    residual: match maps.residual {
                        Some((residual, _)) if block < residual_blocks => {
                            residual.as_ptr().add((block * rows + row) * columns * lanes)
                        }
                        _ => std::ptr::null(),
                    },
                    out: Out::new::<T>(layer, maps, block, row),
                };
                if slides {
                    let mut tile = strip * STRIP_TILES;
                    let end = tiles.count.min(tile + STRIP_TILES);
                    while tile < end {
                        let (column, size) = tiles.get(tile);
                        let count = tiles.of_one_size(tile).min(end - tile);
                        if job.rows == 3 {
                            with_tile!(T, size, 1, slide_three(&job, column, count));
                        } else {
                            with_tile!(T, size, 1, slide_some(&job, column, count));
                        }
                        tile += count;
                    }
                    continue;
                }
                for column in (0..inner.start).chain(inner.end..columns) {
                    let left = column * stride[1];
                    job.kernel_columns = within(left, kernel[1], dilation[1], padding.left, width);
                    let first = (left + job.kernel_columns.start * dilation[1]).saturating_sub(padding.left);
                    pixels::<T, 1, 0>(&job, column, first, stride[1]);
                }
                job.kernel_columns = 0..kernel[1];
                let mut column = inner.start;
                while column < inner.end {
                    let first = column * stride[1] - padding.left;
                    let left = inner.end - column;
                    column += match stride[1] {
                        1 => some_pixels::<T, 1>(&job, column, first, 1, left),
                        2 => some_pixels::<T, 2>(&job, column, first, 2, left),
                        stride => some_pixels::<T, 0>(&job, column, first, stride, left),
                    };
                }
            }
        }
    }
}

/// The rows or columns of a window that are within a map of `side`, for a window that begins at `begin` of the padded map.
#[inline(always)]
pub(super) fn within(begin: usize, kernel: usize, dilation: usize, padding: usize, side: usize) -> Range<usize> {
    // Most have none, and a division takes as long as what is saved.
    let steps = |numbers: usize| if dilation == 1 { numbers } else { numbers.div_ceil(dilation) };
    let before = steps(padding.saturating_sub(begin)).min(kernel);
    let end = steps((side + padding).saturating_sub(begin)).min(kernel);
    before..end.max(before)
}

/// The outputs along an axis whose windows are within a map of `side`.
#[inline(always)]
pub(super) fn whole(
    outputs: usize,
    side: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
) -> Range<usize> {
    let first = padding.div_ceil(stride).min(outputs);
    let extent = dilation * (kernel - 1) + 1;
    let end = match (side + padding).checked_sub(extent) {
        Some(room) => (room / stride + 1).min(outputs),
        None => 0,
    };
    first..end.max(first)
}

/// A row of the output, and the rows of the map that it is made of.
struct Row<'a> {
    starts: Starts,
    map: *const f32,
    /// The first row of the map that is read.
    top: usize,
    width: usize,
    /// Rows of the window.
    rows: usize,
    /// From a row that is read to the next.
    row_step: usize,
    /// Rows that the memory of the map has room for.
    room: usize,
    kernel_columns: Range<usize>,
    dilation: usize,
    weights: *const f32,
    weights_step: usize,
    residual: *const f32,
    out: Out<'a>,
}

impl Row<'_> {
    /// A row of those that are read.
    #[inline(always)]
    fn row(&self, row: usize, lanes: usize) -> *const f32 {
        let row = in_room(self.top + row * self.row_step, self.room);
        self.map.wrapping_add(row * self.width * lanes)
    }
}

/// The way out of sums, to a row of a block of the output.
struct Out<'a> {
    bend: BendAt<'a>,
    block: usize,
    steps: Steps,
    /// Pieces, and how many from a pixel to the next.
    y: *mut f32,
    pixel_step: usize,
}

impl<'a> Out<'a> {
    /// # Safety
    /// The block and the row are within the output.
    #[inline(always)]
    unsafe fn new<T: Put>(layer: &'a Depthwise, maps: &mut Maps<'_>, block: usize, row: usize) -> Self {
        let lanes = const { T::Lanes::LANES };
        let (band, columns) = (&maps.band, maps.size[1]);
        let pixel_step = T::PIXEL_STEP.unwrap_or(layer.gives.of_pixel(lanes));
        let first = layer.gives.place(lanes, block, band.y_room * columns);
        let pixel = band.y_place(row) * columns;
        // SAFETY: the caller's word.
        let y = unsafe { maps.y.as_mut_ptr().add(first + pixel * pixel_step) };
        Self { bend: layer.bend.at(), block, steps: layer.gives.steps, y, pixel_step }
    }

    /// Stores a pixel, bent already.
    ///
    /// # Safety
    /// The CPU has the instructions; the column is within the output.
    #[inline(always)]
    unsafe fn put<T: Put>(&self, column: usize, numbers: Register<T>) {
        let pixel_step = T::PIXEL_STEP.unwrap_or(self.pixel_step);
        // SAFETY: the caller's word.
        unsafe { T::put(numbers, self.y.add(column * pixel_step), self.steps) }
    }
}

/// Runs as many pixels as are best at once of those `left`, and says how many.
///
/// # Safety
/// As for [`pixels`].
#[inline(always)]
unsafe fn some_pixels<T: Put, const S: usize>(
    job: &Row<'_>,
    column: usize,
    first: usize,
    stride: usize,
    left: usize,
) -> usize {
    // SAFETY: the caller's word.
    unsafe {
        match left {
            8.. if T::Lanes::REGISTERS >= 16 => {
                pixels::<T, 8, S>(job, column, first, stride);
                8
            }
            4.. => {
                pixels::<T, 4, S>(job, column, first, stride);
                4
            }
            2.. => {
                pixels::<T, 2, S>(job, column, first, stride);
                2
            }
            _ => {
                pixels::<T, 1, S>(job, column, first, stride);
                1
            }
        }
    }
}

/// [`slide`] for windows of three rows.
///
/// # Safety
/// As for [`slide`].
#[inline(always)]
unsafe fn slide_three<T: Put, const P: usize, const B: usize>(job: &Row<'_>, column: usize, count: usize) {
    // SAFETY: the caller's word.
    unsafe { slide::<T, P>(job, column, count, 3) }
}

/// [`slide`] for as many rows as there are.
///
/// # Safety
/// As for [`slide`].
#[inline(always)]
unsafe fn slide_some<T: Put, const P: usize, const B: usize>(job: &Row<'_>, column: usize, count: usize) {
    // SAFETY: the caller's word.
    unsafe { slide::<T, P>(job, column, count, job.rows) }
}

/// `count` times `P` pixels from `column` on of windows of three columns, beside which the map is continued by one of
/// zeros on both sides: each number of the map is read once a row.
///
/// # Safety
/// As for [`pixels`], for as many columns of the map as of the output, and the rows of the window.
#[inline(always)]
unsafe fn slide<T: Put, const P: usize>(job: &Row<'_>, column: usize, count: usize, rows: usize) {
    let lanes = const { T::Lanes::LANES };
    for column in (column..).step_by(P).take(count) {
        // SAFETY: the caller's word; before the first column and after the last nothing is read.
        unsafe {
            let mut sums = [job.starts.get::<T::Lanes>(Beyond::NONE); P];
            if column == 0 {
                sums[0] = job.starts.get::<T::Lanes>(Beyond::new(true, job.width == 1));
            }
            if column + P == job.width && job.width > 1 {
                sums[P - 1] = job.starts.get::<T::Lanes>(Beyond::new(false, true));
            }
            for row in 0..rows {
                let x = job.row(row, lanes).add(column * lanes);
                let weights = job.weights.add(row * job.weights_step);
                let weights = [0, 1, 2].map(|place| T::Lanes::load(weights.add(place * lanes)));
                let mut before = if column == 0 { T::Lanes::splat(0.0) } else { T::Lanes::load(x.sub(lanes)) };
                let mut here = T::Lanes::load(x);
                for pixel in 0..P {
                    let after = if pixel + 1 == P && column + P == job.width {
                        T::Lanes::splat(0.0)
                    } else {
                        T::Lanes::load(x.add((pixel + 1) * lanes))
                    };
                    sums[pixel] = T::Lanes::multiply_add(before, weights[0], sums[pixel]);
                    sums[pixel] = T::Lanes::multiply_add(here, weights[1], sums[pixel]);
                    sums[pixel] = T::Lanes::multiply_add(after, weights[2], sums[pixel]);
                    (before, here) = (here, after);
                }
            }
            finish::<T, P>(job, column, sums);
        }
    }
}

/// `P` pixels from `column` on, whose first window's first column that is read is `first`. `S` is the stride, 0 for
/// another.
///
/// # Safety
/// The CPU has the instructions; the rows and columns are within the map, and the pixels within the output.
#[inline(always)]
unsafe fn pixels<T: Put, const P: usize, const S: usize>(job: &Row<'_>, column: usize, first: usize, stride: usize) {
    let stride = if S == 0 { stride } else { S };
    // SAFETY: the caller's word.
    unsafe {
        let mut sums = [job.starts.get::<T::Lanes>(Beyond::NONE); P];
        for row in 0..job.rows {
            // Read only where the window has columns on the map.
            let x = job.row(row, T::Lanes::LANES).wrapping_add(first * T::Lanes::LANES);
            let weights = job.weights.add(row * job.weights_step);
            for (place, kernel_column) in job.kernel_columns.clone().enumerate() {
                let weight = T::Lanes::load(weights.add(kernel_column * T::Lanes::LANES));
                for pixel in 0..P {
                    let x = T::Lanes::load(x.wrapping_add((pixel * stride + place * job.dilation) * T::Lanes::LANES));
                    sums[pixel] = T::Lanes::multiply_add(x, weight, sums[pixel]);
                }
            }
        }
        finish::<T, P>(job, column, sums);
    }
}

/// Adds the residual, bends, and stores.
///
/// # Safety
/// As for [`pixels`].
#[inline(always)]
unsafe fn finish<T: Put, const P: usize>(job: &Row<'_>, column: usize, mut sums: [Register<T>; P]) {
    // SAFETY: the caller's word.
    unsafe {
        if !job.residual.is_null() {
            for pixel in 0..P {
                let place = (column + pixel) * T::Lanes::LANES;
                sums[pixel] = T::Lanes::add(sums[pixel], T::Lanes::load(job.residual.add(place)));
            }
        }
        with_bend!(job.out.bend, bend => put::<T, P>(&job.out, column, sums, bend));
    }
}

/// # Safety
/// As for [`pixels`].
#[inline(always)]
unsafe fn put<T: Put, const P: usize>(out: &Out<'_>, column: usize, sums: [Register<T>; P], bend: BendAt<'_>) {
    // SAFETY: the caller's word.
    unsafe {
        for pixel in 0..P {
            out.put::<T>(column + pixel, bend.apply::<T::Lanes>(out.block, sums[pixel]));
        }
    }
}

//! Convolutions over an image as it comes, `[channels, height, width]`: few channels, so that the windows' columns are
//! what is together. A pool that follows takes rows as soon as they are there: the map between them, the largest of a
//! network, never is.

use std::ops::Range;

use super::dense::{Maps, most_pixels};
use super::depthwise::within;
use super::finish::{Bend, BendAt, blocked_weights, per_channel, with_bend};
use super::lanes;
use super::tile::{Finish, Tiles, begin, blocks_at_once, step, with_tile};
use crate::Instructions;
use crate::network::Precision;
use crate::network::bands::Band;
use crate::network::graph::Window;
use crate::network::lanes::{Lanes, Pieces, Put, Register, Single, Steps, with_lanes};
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
    /// Of the greatest numbers, without dilation.
    pub(in crate::network) pool: Option<Window>,
    /// In which pieces it gives its map; with a pool as it is.
    pub(in crate::network) gives: Pieces,
}

impl First {
    /// Whether a convolution can be done so.
    pub(in crate::network) fn can(window: &Window) -> bool {
        window.stride[1] <= 2
    }

    /// From weights `[outputs, inputs, rows, columns]` and a bias of as many numbers as outputs, or none.
    pub(in crate::network) fn new(
        instructions: Instructions,
        [inputs, outputs]: [usize; 2],
        window: Window,
        weights: &[f32],
        bias: &[f32],
        bend: Bend,
        pool: Option<Window>,
    ) -> Self {
        let lanes = lanes(instructions);
        let terms = inputs * window.kernel[0] * window.kernel[1];
        assert!(Self::can(&window));
        let weights = blocked_weights(weights, outputs, terms, lanes);
        assert!(bend.fits(outputs.div_ceil(lanes), lanes), "slopes");
        Self {
            inputs,
            outputs,
            window,
            weights,
            bias: per_channel(bias, outputs, lanes),
            bend,
            pool,
            gives: Pieces::F32,
        }
    }

    pub(in crate::network) fn weight_bytes(&self) -> usize {
        size_of_val(self.weights.numbers())
    }

    /// Rows and columns of the convolution, and of what the layer gives, for an image of this size.
    pub(in crate::network) fn sizes(&self, size: [usize; 2]) -> Result<[[usize; 2]; 2], String> {
        let convolved = self.window.count(size)?;
        let given = match &self.pool {
            Some(pool) => pool.count(convolved)?,
            None => convolved,
        };
        Ok([convolved, given])
    }

    /// Whether it can give its map in such pieces: those of one block, for tiles.
    pub(in crate::network) fn can_give(&self, instructions: Instructions, pieces: Pieces) -> bool {
        instructions == Instructions::Amx
            && pieces.are_for_tiles()
            && matches!(pieces.precision, Precision::F32 | Precision::Bf16)
            && self.outputs == lanes(instructions)
            && self.pool.is_none()
    }

    /// Width of the part of an image that a tile looks at.
    fn patch_width(&self, pixels: usize) -> usize {
        let Window { kernel, stride, dilation, .. } = self.window;
        (pixels - 1) * stride[1] + (kernel[1] - 1) * dilation[1] + 1
    }

    /// Numbers of scratch for a run: a part of the image that is continued by zeros, and rows for the pool.
    pub(in crate::network) fn scratch_numbers(&self, instructions: Instructions, convolved: [usize; 2]) -> usize {
        self.patch_numbers(most_pixels(instructions)) + self.rows_numbers(lanes(instructions), convolved)
    }

    fn patch_numbers(&self, most_pixels: usize) -> usize {
        self.inputs * self.window.kernel[0] * self.patch_width(most_pixels)
    }

    fn rows_numbers(&self, lanes: usize, [_, columns]: [usize; 2]) -> usize {
        self.pool.map_or(0, |pool| self.outputs.next_multiple_of(lanes) * pool.kernel[0] * columns)
    }

    /// # Panics
    /// When the maps are shorter than their shapes say, or other than the convolution reads and gives.
    pub(in crate::network) fn run(&self, instructions: Instructions, maps: &mut Maps<'_>) {
        assert!(instructions.are_available());
        let lanes = lanes(instructions);
        let [channels, height, width] = maps.shape;
        assert_eq!(channels, self.inputs);
        let [convolved, given] = self.sizes([height, width]).expect("checked when the run was planned");
        assert_eq!(given, maps.size);
        assert!(maps.x.len() >= channels * height * width);
        assert!(maps.band.x_rows == (0..height));
        maps.check_output(lanes, self.outputs, self.gives.channels());
        assert!(self.gives == Pieces::F32 || self.can_give(instructions, self.gives));
        assert!(maps.scratch.len() >= self.scratch_numbers(instructions, convolved));
        assert!(maps.residual.is_none());
        // SAFETY: the CPU has the instructions, and maps and scratch are as long as their shapes say.
        unsafe {
            match self.gives.precision {
                #[cfg(target_arch = "x86_64")]
                Precision::Bf16 => first_for_tiles::<crate::network::lanes::Bf16>(self, convolved, maps),
                #[cfg(target_arch = "x86_64")]
                Precision::F32 if self.gives.are_for_tiles() => {
                    first_for_tiles::<crate::network::lanes::Halves<1>>(self, convolved, maps);
                }
                _ => first(instructions, self, convolved, maps),
            }
        }
    }
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`First::run`] checks.
    first = run_first(layer: &First, convolved: [usize; 2], maps: &mut Maps<'_>)
}

/// # Safety
/// As `first`, and AVX-512 BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
unsafe fn first_for_tiles<T: Put>(layer: &First, convolved: [usize; 2], maps: &mut Maps<'_>) {
    // SAFETY: the caller's word; the instructions are enabled.
    unsafe { run_puts::<T>(layer, convolved, maps) }
}

#[inline(always)]
unsafe fn run_first<L: Lanes>(layer: &First, convolved: [usize; 2], maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe { run_puts::<Single<L>>(layer, convolved, maps) }
}

#[inline(always)]
unsafe fn run_puts<T: Put>(layer: &First, convolved: [usize; 2], maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe {
        match layer.window.stride[1] {
            1 => run_stride::<T, 1>(layer, convolved, maps),
            _ => run_stride::<T, 2>(layer, convolved, maps),
        }
    }
}

/// `S` is the stride along rows.
#[inline(always)]
unsafe fn run_stride<T: Put, const S: usize>(layer: &First, [rows, columns]: [usize; 2], maps: &mut Maps<'_>) {
    let lanes = const { T::Lanes::LANES };
    let (patch, ring) = maps.scratch.split_at_mut(layer.patch_numbers(T::Lanes::PIXELS));
    let image = Image { x: maps.x, size: [maps.shape[1], maps.shape[2]], columns };
    let row_numbers = columns * T::PIXEL_STEP.unwrap_or(layer.gives.of_pixel(lanes));
    let band = &maps.band;
    let Band { y_room, rows: made, .. } = band.clone();
    let Some(pool) = &layer.pool else {
        for row in made {
            // SAFETY: the output has these rows in each block.
            unsafe {
                let y = maps.y.as_mut_ptr().add(band.y_place(row) * row_numbers);
                run_row::<T, S>(layer, &image, row, patch, y, y_room * row_numbers);
            }
        }
        return;
    };
    let kept = pool.kernel[0];
    let mut done = 0;
    for pooled in made {
        let window = within(pooled * pool.stride[0], kept, 1, pool.padding.top, rows);
        let begin = (pooled * pool.stride[0] + window.start).saturating_sub(pool.padding.top);
        let end = begin + window.len();
        for row in done.max(begin)..end {
            // SAFETY: the scratch has `kept` rows a block beside the patch.
            unsafe {
                let y = ring.as_mut_ptr().add(row % kept * row_numbers);
                run_row::<T, S>(layer, &image, row, patch, y, kept * row_numbers);
            }
        }
        done = done.max(end);
        for block in 0..layer.outputs.div_ceil(lanes) {
            // SAFETY: the last `kept` rows are in the ring, and the window has no more; the output has the row.
            unsafe {
                let ring = ring.as_ptr().add(block * kept * row_numbers);
                let row = block * y_room + band.y_place(pooled);
                let y = maps.y.as_mut_ptr().add(row * maps.size[1] * lanes);
                pool_row::<T::Lanes>(pool, ring, begin..end, columns, y, maps.size[1]);
            }
        }
    }
}

/// The image, and the columns of the convolution.
struct Image<'a> {
    x: &'a [f32],
    size: [usize; 2],
    columns: usize,
}

/// A row of the convolution, to `y` and `y_step` numbers further for each block.
///
/// # Safety
/// The CPU has the instructions; the row is one of the convolution's, and can be written for all blocks.
#[inline(always)]
unsafe fn run_row<T: Put, const S: usize>(
    layer: &First,
    image: &Image<'_>,
    row: usize,
    patch: &mut [f32],
    y: *mut f32,
    y_step: usize,
) {
    let [height, width] = image.size;
    let Window { kernel, stride, dilation, padding, .. } = layer.window;
    let lanes = const { T::Lanes::LANES };
    let tiles = Tiles::new(1, image.columns, T::Lanes::PIXELS);
    let blocks = layer.outputs.div_ceil(lanes);
    let pixel_step = T::PIXEL_STEP.unwrap_or(layer.gives.of_pixel(lanes));
    let block_weights = layer.inputs * kernel[0] * kernel[1] * lanes;
    let top = row * stride[0];
    let is_within = top >= padding.top && top + (kernel[0] - 1) * dilation[0] < height + padding.top;
    for tile in 0..tiles.count {
        let (column, size) = tiles.get(tile);
        let left = column * stride[1];
        let patch_width = layer.patch_width(size);
        let (x, channel_step, row_step) =
            if is_within && left >= padding.left && left + patch_width <= width + padding.left {
                let corner = (top - padding.top) * width + left - padding.left;
                (image.x[corner..].as_ptr(), height * width, dilation[0] * width)
            } else {
                cut(layer, image, [top, left], patch_width, patch);
                (patch.as_ptr(), kernel[0] * patch_width, patch_width)
            };
        let mut block = 0;
        while block < blocks {
            let at_once = blocks_at_once::<T::Lanes>(size, blocks - block);
            // SAFETY: the windows of the tile are within the image, or within the patch that was cut for them; weights
            // and bias are there for all blocks, and `y` by the caller's word.
            unsafe {
                let sum = PlanarSum {
                    x,
                    channels: layer.inputs,
                    channel_step,
                    kernel,
                    steps: [row_step, dilation[1]],
                    weights: layer.weights.numbers().as_ptr().add(block * block_weights),
                    weights_step: block_weights,
                    pixel_step,
                    pieces: layer.gives.steps,
                };
                let finish = Finish {
                    starts: layer.bias.numbers().as_ptr().add(block * lanes),
                    bias: std::ptr::null(),
                    scales: std::ptr::null(),
                    residual: std::ptr::null(),
                    residual_step: 0,
                    residual_blocks: 0,
                    bend: layer.bend.at(),
                    block,
                    y: y.add(block * y_step + column * pixel_step),
                    y_step,
                };
                match S {
                    1 => with_tile!(T, size, at_once, planar_sum_1(&sum, &finish)),
                    _ => with_tile!(T, size, at_once, planar_sum_2(&sum, &finish)),
                }
            }
            block += at_once;
        }
    }
}

/// Copies the rows that a tile looks at, `[channels][kernel rows][patch width]`; zeros beside the image.
fn cut(layer: &First, image: &Image<'_>, [top, left]: [usize; 2], patch_width: usize, patch: &mut [f32]) {
    let [height, width] = image.size;
    let Window { kernel, dilation, padding, .. } = layer.window;
    let columns = within(left, patch_width, 1, padding.left, width);
    let begin = (left + columns.start).saturating_sub(padding.left);
    for channel in 0..layer.inputs {
        for kernel_row in 0..kernel[0] {
            let patch = &mut patch[(channel * kernel[0] + kernel_row) * patch_width..][..patch_width];
            patch.fill(0.0);
            // Above the image this wraps to a row that is not below its height.
            let row = (top + kernel_row * dilation[0]).wrapping_sub(padding.top);
            if row < height && !columns.is_empty() {
                let x = &image.x[(channel * height + row) * width + begin..][..columns.len()];
                patch[columns.clone()].copy_from_slice(x);
            }
        }
    }
}

/// A row of the pool over rows in a ring.
///
/// # Safety
/// The CPU has the instructions; the ring has as many rows as the pool's kernel, among them those of the window, which
/// are not none; the row of the output can be written.
#[inline(always)]
unsafe fn pool_row<L: Lanes>(
    pool: &Window,
    ring: *const f32,
    rows: Range<usize>,
    columns: usize,
    y: *mut f32,
    pooled_columns: usize,
) {
    // SAFETY: the caller's word; columns are `within` the rows.
    unsafe {
        let row = |row: usize| ring.add(row % pool.kernel[0] * columns * L::LANES);
        for column in 0..pooled_columns {
            let left = column * pool.stride[1];
            let window = within(left, pool.kernel[1], 1, pool.padding.left, columns);
            let begin = (left + window.start).saturating_sub(pool.padding.left);
            let mut greatest = L::splat(f32::MIN);
            for place in rows.clone() {
                let row = row(place).wrapping_add(begin * L::LANES);
                if window.len() == 2 {
                    greatest = L::max(greatest, L::max(L::load(row), L::load(row.add(L::LANES))));
                } else {
                    for place in 0..window.len() {
                        greatest = L::max(greatest, L::load(row.add(place * L::LANES)));
                    }
                }
            }
            L::store(y.add(column * L::LANES), greatest);
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
    weights: *const f32,
    weights_step: usize,
    /// From an output to the next, and how it is given.
    pixel_step: usize,
    pieces: Steps,
}

#[inline(always)]
unsafe fn planar_sum_1<T: Put, const P: usize, const B: usize>(sum: &PlanarSum, finish: &Finish<'_>) {
    // SAFETY: the caller's word.
    unsafe { planar_sum::<T, P, B>(sum, 1, finish) }
}

#[inline(always)]
unsafe fn planar_sum_2<T: Put, const P: usize, const B: usize>(sum: &PlanarSum, finish: &Finish<'_>) {
    // SAFETY: the caller's word.
    unsafe { planar_sum::<T, P, B>(sum, 2, finish) }
}

/// # Safety
/// As for [`tile::sum`](super::tile::sum).
#[inline(always)]
unsafe fn planar_sum<T: Put, const P: usize, const B: usize>(sum: &PlanarSum, stride: usize, finish: &Finish<'_>) {
    // SAFETY: the caller's word.
    unsafe {
        let mut sums = begin::<Single<T::Lanes>, P, B>(finish);
        let mut weights = sum.weights;
        for channel in 0..sum.channels {
            for row in 0..sum.kernel[0] {
                let x = sum.x.add(channel * sum.channel_step + row * sum.steps[0]);
                for column in 0..sum.kernel[1] {
                    step::<Single<T::Lanes>, P, B>(
                        &mut sums,
                        x.add(column * sum.steps[1]),
                        stride,
                        weights,
                        sum.weights_step,
                    );
                    weights = weights.add(T::Lanes::LANES);
                }
            }
        }
        with_bend!(finish.bend, bend => put::<T, P, B>(sum, sums, finish, bend));
    }
}

/// Bends, and puts.
///
/// # Safety
/// As for [`planar_sum`].
#[inline(always)]
unsafe fn put<T: Put, const P: usize, const B: usize>(
    sum: &PlanarSum,
    sums: [[Register<T>; B]; P],
    finish: &Finish<'_>,
    bend: BendAt<'_>,
) {
    let pixel_step = T::PIXEL_STEP.unwrap_or(sum.pixel_step);
    // SAFETY: the caller's word.
    unsafe {
        for (pixel, sums) in sums.into_iter().enumerate() {
            for (block, number) in sums.into_iter().enumerate() {
                let number = bend.apply::<T::Lanes>(finish.block + block, number);
                T::put(number, finish.y.add(block * finish.y_step + pixel * pixel_step), sum.pieces);
            }
        }
    }
}

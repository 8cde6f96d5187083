//! Where a window finds its pixels: in a map that is in pieces already, or in a copy of some rows of it.

use std::arch::x86_64::_mm512_maskz_loadu_ps;
use std::ops::Range;

use super::LANES;
use crate::network::graph::Window;
use crate::network::kernel::dense::{Dense, Maps};
use crate::network::lanes::{Avx512, Lanes, Put, Steps};

/// Pixels in memory, and how outputs look at them. All but the outputs are counted in pixels from the first that the
/// first output sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// From a row of the copy to the next.
    pub(super) pitch: usize,
    /// From channels that are together to the next.
    pub(super) plane: usize,
    /// From the pixels of a place of the window to those of the next below and beside it.
    pub(super) window_steps: [usize; 2],
    /// From the pixel of an output to that of the next of a run.
    pub(super) step: usize,
    /// Outputs of a run: all, or those of a row.
    pub(super) run: usize,
    /// How many runs there are, and from one to the next.
    pub(super) runs: usize,
    pub(super) run_step: usize,
    /// Outputs from a row to the next in a run, and how many of them there really are.
    pub(super) row: usize,
    pub(super) used: usize,
}

impl Look {
    /// For `rows` rows of `columns` outputs, of a map of `width` columns; `plane` of a map that is in pieces.
    pub(super) fn new(layer: &Dense, plane: Option<usize>, width: usize, rows: usize, columns: usize) -> Self {
        let Window { stride, dilation, padding, .. } = layer.window;
        if layer.window.has_one_place() {
            let run = rows * columns;
            return Self { pitch: columns, ..Self::at_itself(run, plane.unwrap_or(run)) };
        }
        // What is beside a row is also beside the next, unless a window is so small that it gives more columns.
        let between = padding.left.max(padding.right);
        let pitch = if columns <= width + between { width + between } else { width + padding.left + padding.right };
        let window_steps = [dilation[0] * pitch, dilation[1]];
        let plane = copied_rows(&layer.window, rows) * pitch + between;
        let (step, run_step, used) = (stride[1], stride[0] * pitch, columns);
        if stride == [1; 2] {
            let run = (rows - 1) * pitch + columns;
            Self { pitch, plane, window_steps, step, run, runs: 1, run_step, row: pitch, used }
        } else {
            Self { pitch, plane, window_steps, step, run: columns, runs: rows, run_step, row: columns, used }
        }
    }

    /// Where an output sees the pixel of its place alone.
    pub(super) fn at_itself(run: usize, plane: usize) -> Self {
        Self { pitch: run, plane, window_steps: [0; 2], step: 1, run, runs: 1, run_step: 0, row: run, used: run }
    }

    /// Pixels of the copy for one more row of outputs.
    pub(super) fn row_step(&self) -> usize {
        self.run_step.max(self.pitch)
    }

    /// Writes, for each place of the window and the channels that are together there, how many bytes after the first
    /// pixel they are.
    pub(super) fn put_steps(&self, layer: &Dense, steps: &mut [f32]) {
        let of_pixel = layer.takes.of_pixel(LANES);
        let [kernel_rows, kernel_columns] = layer.window.kernel;
        let groups = steps.len() / (kernel_rows * kernel_columns);
        let places = (0..kernel_rows).flat_map(|row| (0..kernel_columns).map(move |column| (row, column)));
        for ((row, column), steps) in places.zip(steps.chunks_exact_mut(groups)) {
            let place = row * self.window_steps[0] + column * self.window_steps[1];
            for (group, step) in steps.iter_mut().enumerate() {
                let bytes = (group * self.plane + place) * of_pixel * size_of::<f32>();
                *step = f32::from_bits(u32::try_from(bytes).expect("copies are small, and maps are below 4 GiB"));
            }
        }
    }
}

/// Rows that windows see of `rows` rows of outputs, also beside the map.
pub(super) fn copied_rows(window: &Window, rows: usize) -> usize {
    if window.has_one_place() {
        rows
    } else {
        (rows - 1) * window.stride[0] + window.dilation[0] * (window.kernel[0] - 1) + 1
    }
}

/// Copies what windows see of `rows` into `[channels together][pixels]`, in pieces.
///
/// # Safety
/// The CPU has the instructions.
#[inline(always)]
pub(super) unsafe fn copy<T: Put<Lanes = Avx512>>(
    layer: &Dense,
    maps: &Maps<'_>,
    rows: Range<usize>,
    look: &Look,
    copied: &mut [f32],
) {
    let Window { stride, padding, .. } = layer.window;
    let [channels, height, width] = maps.shape;
    let x_room = maps.band.x_room;
    let takes = layer.takes;
    let of_pixel = takes.of_pixel(LANES);
    let together = takes.blocks_together();
    let blocks = channels.div_ceil(LANES);
    let has_one_place = layer.window.has_one_place();
    let [x_step, columns] = if has_one_place { [stride[1], maps.size[1]] } else { [1, width] };
    let left = if has_one_place { 0 } else { padding.left };
    let row_numbers = look.pitch * of_pixel;
    for (group, plane) in copied.chunks_exact_mut(look.plane * of_pixel).take(blocks.div_ceil(together)).enumerate() {
        let (rows_of_plane, after) = plane.split_at_mut(copied_rows(&layer.window, rows.len()) * row_numbers);
        after.fill(takes.zeros());
        for (row, copied) in rows_of_plane.chunks_exact_mut(row_numbers).enumerate() {
            let y = match has_one_place {
                true => (rows.start + row) * stride[0],
                // Above the map this wraps to a number that is not below its height.
                false => (rows.start * stride[0] + row).wrapping_sub(padding.top),
            };
            if y >= height {
                copied.fill(takes.zeros());
                continue;
            }
            let (before, copied) = copied.split_at_mut(left * of_pixel);
            let (copied, after) = copied.split_at_mut(columns * of_pixel);
            before.fill(takes.zeros());
            after.fill(takes.zeros());
            for place in 0..together {
                let block = group * together + place;
                let numbers = Numbers {
                    x: match block < blocks {
                        true => &maps.x[(block * x_room + maps.band.x_place(y)) * width * LANES..][..width * LANES],
                        false => &[],
                    },
                    step: x_step * LANES,
                    channels: channels.saturating_sub(block * LANES).min(LANES),
                };
                let place = takes.place(LANES, place, 0);
                // SAFETY: the caller's word; columns are those of the row that is read and of the copy, and the pieces of
                // a block are within a pixel from its place on.
                unsafe {
                    put_row::<T>(&numbers, columns, copied[place..].as_mut_ptr(), of_pixel, takes.steps);
                }
            }
        }
    }
}

/// A row of a block's numbers, those of so many of its channels.
struct Numbers<'a> {
    x: &'a [f32],
    /// From a pixel to the next.
    step: usize,
    channels: usize,
}

/// # Safety
/// The CPU has the instructions; the pixels are within the row where there are channels, and pieces for them can be
/// written.
#[inline(always)]
unsafe fn put_row<T: Put<Lanes = Avx512>>(
    numbers: &Numbers<'_>,
    pixels: usize,
    to: *mut f32,
    of_pixel: usize,
    steps: Steps,
) {
    // SAFETY: the caller's word; lanes that are not in the mask are not read.
    unsafe {
        if numbers.channels == LANES {
            for pixel in 0..pixels {
                let x = numbers.x.as_ptr().add(pixel * numbers.step);
                T::put(Avx512::load(x), to.add(pixel * of_pixel), steps);
            }
            return;
        }
        if numbers.channels == 0 {
            (0..pixels).for_each(|pixel| T::put(Avx512::splat(0.0), to.add(pixel * of_pixel), steps));
            return;
        }
        // The lanes after the last channel may hold what is no number.
        let mask = (1_u16 << numbers.channels) - 1;
        for pixel in 0..pixels {
            let x = numbers.x.as_ptr().wrapping_add(pixel * numbers.step);
            T::put(_mm512_maskz_loadu_ps(mask, x), to.add(pixel * of_pixel), steps);
        }
    }
}

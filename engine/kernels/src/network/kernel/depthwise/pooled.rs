//! Windows of 3×3 with the greatest of each 2×2 of what they give: the map between the two, four times as large, never
//! is.

use super::{Beyond, Depthwise, Maps, Out, Starts};
use crate::network::bands::in_room;
use crate::network::graph::{Padding, Window};
use crate::network::kernel::finish::{BendAt, with_bend};
use crate::network::lanes::{Lanes, Put, Register};

/// Columns of the output after which the next row follows: the rows of so many stay in the first level of the cache.
const STRIP: usize = 32;

/// The window of the two together over the map.
pub(super) const LOOKS: Window = Window {
    kernel: [4; 2],
    stride: [2; 2],
    dilation: [1; 2],
    padding: Padding { top: 1, left: 1, bottom: 1, right: 1 },
    ceil: false,
};

/// Whether a pool can be taken together with the convolution before it.
pub(super) fn can(convolution: &Window, pool: &Window) -> bool {
    *convolution == Window::square(3, 1, 1) && *pool == Window::square(2, 2, 0)
}

/// # Safety
/// The CPU has the instructions; the lengths are those that [`Depthwise::run`] checks.
#[inline(always)]
pub(super) unsafe fn run<T: Put>(layer: &Depthwise, maps: &mut Maps<'_>) {
    let lanes = const { T::Lanes::LANES };
    let [channels, height, width] = maps.shape;
    let columns = maps.size[1];
    let x_room = maps.band.x_room;
    let strips = (0..columns).step_by(STRIP);
    for (block, strip) in
        (0..channels.div_ceil(lanes)).flat_map(|block| strips.clone().map(move |strip| (block, strip)))
    {
        for row in maps.band.rows.clone() {
            // Rows of the four that are on the map.
            let rows = usize::from(row == 0)..(height + 1 - 2 * row).min(4);
            // SAFETY: the block, the row and the columns are within the output, whose length `Depthwise::run` checked;
            // `rows` are within the map and among those that are there. A row that is not is never pointed to.
            unsafe {
                let job = Job {
                    x: maps.x.as_ptr().add(block * x_room * width * lanes),
                    top: maps.band.x_place(2 * row + rows.start - 1),
                    room: x_room,
                    width,
                    weights: layer.weights.numbers().as_ptr().add(block * 9 * lanes),
                    starts: [
                        layer.starts(lanes, block, Beyond::new(rows.start > 0, false)),
                        layer.starts(lanes, block, Beyond::new(false, rows.end < 4)),
                    ],
                    out: Out::new::<T>(layer, maps, block, row),
                };
                let end = columns.min(strip + STRIP);
                let mut column = strip;
                while column < end {
                    // As many as there are registers for.
                    column += match end - column {
                        4.. if T::Lanes::REGISTERS >= 32 => some::<T, 4>(&job, column, &rows),
                        2.. if T::Lanes::REGISTERS >= 16 => some::<T, 2>(&job, column, &rows),
                        _ => some::<T, 1>(&job, column, &rows),
                    };
                }
            }
        }
    }
}

/// A row of the output.
struct Job<'a> {
    /// Of each two rows.
    starts: [Starts; 2],
    /// The block of the map, the first of its rows that are read, and how many its memory has room for.
    x: *const f32,
    top: usize,
    room: usize,
    width: usize,
    weights: *const f32,
    out: Out<'a>,
}

/// `P` pixels from `column` on, made of these rows of the four.
///
/// # Safety
/// The CPU has the instructions; the rows are on the map, and the pixels within the output.
#[inline(always)]
unsafe fn some<T: Put, const P: usize>(job: &Job<'_>, column: usize, rows: &std::ops::Range<usize>) -> usize {
    // SAFETY: the caller's word.
    unsafe {
        let sums = sum::<T, P>(job, column, rows.clone());
        with_bend!(job.out.bend, bend => put::<T, P>(&job.out, column, sums, bend));
    }
    P
}

/// What the windows of each 2×2 give.
///
/// # Safety
/// As for [`some`].
#[inline(always)]
unsafe fn sum<T: Put, const P: usize>(
    job: &Job<'_>,
    column: usize,
    rows: std::ops::Range<usize>,
) -> [[[Register<T>; 2]; P]; 2] {
    // SAFETY: the caller's word; the first row of the four is none of the second window's, the last none of the first's.
    unsafe {
        let mut sums = [[[T::Lanes::splat(0.0); 2]; P]; 2];
        for row in 0..2 {
            sums[row] = [[job.starts[row].get::<T::Lanes>(Beyond::NONE); 2]; P];
            if column == 0 {
                sums[row][0][0] = job.starts[row].get::<T::Lanes>(Beyond::new(true, false));
            }
            if 2 * (column + P) == job.width {
                sums[row][P - 1][1] = job.starts[row].get::<T::Lanes>(Beyond::new(false, true));
            }
        }
        let place = |row: usize| {
            let row = in_room(job.top + row - rows.start, job.room);
            job.x.add(row * job.width * T::Lanes::LANES)
        };
        if rows.start == 0 {
            add_row::<T, P, 0, 1>(job, column, place(0), 0, &mut sums);
        }
        add_row::<T, P, 0, 2>(job, column, place(1), 1, &mut sums);
        if rows.end > 2 {
            add_row::<T, P, 0, 2>(job, column, place(2), 2, &mut sums);
        }
        if rows.end > 3 {
            add_row::<T, P, 1, 2>(job, column, place(3), 3, &mut sums);
        }
        sums
    }
}

/// Adds what a row of the four gives to the windows of the rows from `FIRST` to `END` of each 2×2.
///
/// # Safety
/// As for [`some`]; the row is on the map, and in these windows.
#[inline(always)]
unsafe fn add_row<T: Put, const P: usize, const FIRST: usize, const END: usize>(
    job: &Job<'_>,
    column: usize,
    x: *const f32,
    row: usize,
    sums: &mut [[[Register<T>; 2]; P]; 2],
) {
    let lanes = const { T::Lanes::LANES };
    let left = 2 * column;
    // SAFETY: the caller's word; before the first column of the map and after its last nothing is read.
    unsafe {
        let x = x.add(left * lanes);
        let mut before = if left == 0 { T::Lanes::splat(0.0) } else { T::Lanes::load(x.sub(lanes)) };
        let mut here = T::Lanes::load(x);
        for pixel in 0..P {
            for side in 0..2 {
                let next = 2 * pixel + side + 1;
                let after = if next == 2 * P && left + next == job.width {
                    T::Lanes::splat(0.0)
                } else {
                    T::Lanes::load(x.add(next * lanes))
                };
                for of_two in FIRST..END {
                    let weights = job.weights.add((row - of_two) * 3 * lanes);
                    let sum = sums[of_two][pixel][side];
                    let sum = T::Lanes::multiply_add(before, T::Lanes::load(weights), sum);
                    let sum = T::Lanes::multiply_add(here, T::Lanes::load(weights.add(lanes)), sum);
                    sums[of_two][pixel][side] =
                        T::Lanes::multiply_add(after, T::Lanes::load(weights.add(2 * lanes)), sum);
                }
                (before, here) = (here, after);
            }
        }
    }
}

/// # Safety
/// As for [`some`].
#[inline(always)]
unsafe fn put<T: Put, const P: usize>(
    out: &Out<'_>,
    column: usize,
    sums: [[[Register<T>; 2]; P]; 2],
    bend: BendAt<'_>,
) {
    // SAFETY: the caller's word.
    unsafe {
        for pixel in 0..P {
            let mut greatest = bend.apply::<T::Lanes>(out.block, sums[0][pixel][0]);
            for (row, side) in [(0, 1), (1, 0), (1, 1)] {
                greatest = T::Lanes::max(greatest, bend.apply::<T::Lanes>(out.block, sums[row][pixel][side]));
            }
            out.put::<T>(column + pixel, greatest);
        }
    }
}

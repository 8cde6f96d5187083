//! What tiles are used for: sums for two tiles of pixels and two blocks of outputs.

use std::arch::asm;
use std::arch::x86_64::*;
use std::ops::Range;

use super::TILE;
use crate::network::lanes::{Avx512, Bf16, Halves, Int8, Put};

/// Rows of a tile at most.
pub(super) const MOST_ROWS: usize = 16;
/// Bytes of a row.
pub(super) const ROW: usize = 64;

/// The shapes of tiles (Intel, Software Developer's Manual, volume 2, LDTILECFG): those of sums and of inputs have as many
/// rows as pixels are taken at once, those of weights, the last, as many as there
/// are channels in 32 bits of one. Let go of when dropped: a thread that does not calculate
/// shall not have its tiles saved.
pub(super) struct Shapes(());

impl Shapes {
    /// # Safety
    /// The CPU has AMX and the process may use it; `rows` is from 1 to 16, and `inputs`, the bytes of a row of inputs, to
    /// 64. A thread has one at a time.
    pub(super) unsafe fn set(rows: usize, inputs: usize, weights: Range<usize>) -> Self {
        #[repr(C, align(64))]
        struct Configuration([u8; 64]);
        let mut configuration = Configuration([0; 64]);
        configuration.0[0] = 1;
        for tile in 0..8 {
            let [row, rows] = match tile {
                _ if weights.contains(&tile) => [ROW, inputs / size_of::<f32>()],
                // Two tiles of inputs are before the weights, and sums before those.
                _ if tile + 2 < weights.start => [ROW, rows],
                _ => [inputs, rows],
            };
            configuration.0[16 + 2 * tile] = row as u8;
            configuration.0[48 + tile] = rows as u8;
        }
        // SAFETY: the caller's word; 64 bytes are read.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &configuration, options(nostack, readonly, preserves_flags)) };
        Self(())
    }
}

impl Drop for Shapes {
    fn drop(&mut self) {
        // SAFETY: the CPU has AMX, as its maker was told.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

/// A tile of pixels, and where their sums go.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Pixels {
    /// Where steps count from, for the first pixel.
    pub(super) inputs: *const f32,
    /// Of two blocks of outputs, `[pixels][16 outputs]`.
    pub(super) sums: [*mut f32; 2],
}

/// What sums are made of.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// For each step, in bytes, where the inputs of a pixel are; the bits of whole numbers, the first of them 0.
    pub(super) steps: &'a [f32],
    /// An even number of them.
    pub(super) tiles: &'a [Pixels],
    /// Bytes from a pixel to the next.
    pub(super) pixel_step: usize,
    /// Of two blocks of outputs: for each step a tile, or two where numbers have halves.
    pub(super) weights: [*const f32; 2],
    /// Whether the second block is the first once more, since there is no other.
    pub(super) is_alone: bool,
}

/// Numbers that tiles multiply.
pub(super) trait Numbers: Put<Lanes = Avx512> {
    /// Bytes of a block's channels of a pixel.
    const BLOCK: usize;
    /// How many steps there are at most for all weights to stay in tiles.
    const STEPS_AT_HAND: usize = 2;

    /// Puts sums for as many pixels as the [`Shapes`] say, which are set for as many steps, without what they begin with.
    ///
    /// # Safety
    /// The CPU has AMX, the process may use it, shapes are set; all that the job leads to can be read, for as many
    /// pixels, and the sums be written.
    unsafe fn multiply(job: &Job<'_>);

    /// The number that a sum stands for.
    ///
    /// # Safety
    /// The CPU has AVX-512.
    #[inline(always)]
    unsafe fn end(sum: __m512, starts: __m512, _scales: __m512, _bias: __m512) -> __m512 {
        // SAFETY: the caller's word.
        unsafe { _mm512_add_ps(sum, starts) }
    }
}

// As the instructions count.
const _: () = assert!(size_of::<Pixels>() == 24);

/// Runs a job: for each two tiles of pixels and in each step `$products`, where `{u}` and `{v}` are the pixels of the two,
/// `{s}` the bytes from a pixel to the next, `{half}` those to second halves, `{b}` and `{c}` the weights of the two blocks and `{k}` 64. Sums are in tiles
/// 0 to 3, two for each tile of pixels.
macro_rules! multiply {
    ($job:expr, $half:expr, $tiles:expr, $($product:expr),* $(,)?) => {
        for tiles in $job.tiles.chunks_exact(2) {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "mov {u:e}, dword ptr [{steps}]",
                "add {steps}, 4",
                "lea {v}, [{y} + {u}]",
                "add {u}, {x}",
                $($product,)*
                "add {b}, {weights_step}",
                "add {c}, {weights_step}",
                "dec {count}",
                "jnz 2b",
                "/* {half} */",
                "mov {u}, qword ptr [{tiles} + 8]",
                "mov {v}, qword ptr [{tiles} + 16]",
                "tilestored [{u} + {k}], tmm0",
                "tilestored [{v} + {k}], tmm1",
                "mov {u}, qword ptr [{tiles} + 32]",
                "mov {v}, qword ptr [{tiles} + 40]",
                "tilestored [{u} + {k}], tmm2",
                "tilestored [{v} + {k}], tmm3",
                u = out(reg) _,
                v = out(reg) _,
                steps = inout(reg) $job.steps.as_ptr() => _,
                count = inout(reg) $job.steps.len() => _,
                x = in(reg) tiles[0].inputs,
                y = in(reg) tiles[1].inputs,
                s = in(reg) $job.pixel_step,
                b = inout(reg) $job.weights[0] => _,
                c = inout(reg) $job.weights[1] => _,
                k = in(reg) ROW,
                half = const $half * size_of::<f32>(),
                tiles = in(reg) tiles.as_ptr(),
                weights_step = const $tiles * TILE * size_of::<f32>(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    };
}

/// [`multiply`] where all weights fit into tiles 4 to 7, `$weights` loads them, and `$products` leaves the sums of a tile of
/// pixels in tiles 0 and 1. `{u}` is its pixels, and `{o}` the bytes to those of the second step. Beside a busy thread of
/// the core, loads take most of the time. With `$pixels` 2, tiles 0 and 1 are sums of two tiles of pixels for one block,
/// and `{v}` the second.
macro_rules! multiply_at_hand {
    ($job:expr, $half:expr, $pixels:literal, [$($weights:expr),*], $($product:expr),* $(,)?) => {
        asm!(
            $($weights,)*
            "2:",
            "mov {u}, qword ptr [{tiles}]",
            "mov {v}, qword ptr [{tiles} + {step} - 24]",
            "tilezero tmm0",
            "tilezero tmm1",
            $($product,)*
            "mov {u}, qword ptr [{tiles} + 8]",
            "mov {v}, qword ptr [{tiles} + {second}]",
            "tilestored [{u} + {k}], tmm0",
            "tilestored [{v} + {k}], tmm1",
            "add {tiles}, {step}",
            "dec {count}",
            "jnz 2b",
            "/* {o} {c} {half} */",
            u = out(reg) _,
            v = out(reg) _,
            step = const $pixels * size_of::<Pixels>(),
            second = const if $pixels == 2 { 32 } else { 16 },
            count = inout(reg) $job.tiles.len() / $pixels => _,
            tiles = inout(reg) $job.tiles.as_ptr() => _,
            o = in(reg) $job.steps.get(1).map_or(0, |step| step.to_bits() as usize),
            s = in(reg) $job.pixel_step,
            b = in(reg) $job.weights[0],
            c = in(reg) $job.weights[1],
            k = in(reg) ROW,
            half = const $half * size_of::<f32>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// For numbers that are not in halves: one product of each tile of pixels with each of weights.
macro_rules! multiply_whole {
    ($job:expr, $product:literal) => {
        match $job.steps.len() {
            1 if $job.is_alone => multiply_at_hand!(
                $job,
                0,
                2,
                ["tileloadd tmm4, [{b} + {k}]"],
                "tileloadd tmm2, [{u} + {s}]",
                concat!($product, " tmm0, tmm2, tmm4"),
                "tileloadd tmm3, [{v} + {s}]",
                concat!($product, " tmm1, tmm3, tmm4"),
            ),
            1 => multiply_at_hand!(
                $job,
                0,
                1,
                ["tileloadd tmm4, [{b} + {k}]", "tileloadd tmm5, [{c} + {k}]"],
                "tileloadd tmm2, [{u} + {s}]",
                concat!($product, " tmm0, tmm2, tmm4"),
                concat!($product, " tmm1, tmm2, tmm5"),
            ),
            2 => multiply_at_hand!(
                $job,
                0,
                1,
                [
                    "tileloadd tmm4, [{b} + {k}]",
                    "tileloadd tmm5, [{c} + {k}]",
                    "tileloadd tmm6, [{b} + {k} + 1024]",
                    "tileloadd tmm7, [{c} + {k} + 1024]"
                ],
                "tileloadd tmm2, [{u} + {s}]",
                "add {u}, {o}",
                concat!($product, " tmm0, tmm2, tmm4"),
                concat!($product, " tmm1, tmm2, tmm5"),
                "tileloadd tmm3, [{u} + {s}]",
                concat!($product, " tmm0, tmm3, tmm6"),
                concat!($product, " tmm1, tmm3, tmm7"),
            ),
            _ => multiply!(
                $job,
                0,
                1,
                "tileloadd tmm4, [{u} + {s}]",
                "tileloadd tmm6, [{b} + {k}]",
                concat!($product, " tmm0, tmm4, tmm6"),
                "tileloadd tmm7, [{c} + {k}]",
                concat!($product, " tmm1, tmm4, tmm7"),
                "tileloadd tmm5, [{v} + {s}]",
                concat!($product, " tmm2, tmm5, tmm6"),
                concat!($product, " tmm3, tmm5, tmm7"),
            ),
        }
    };
}

// Where the instructions have second halves, tiles of weights, and sums.
const _: () = assert!(TILE * size_of::<f32>() == 1024);

impl<const BLOCKS: usize> Numbers for Halves<BLOCKS> {
    const BLOCK: usize = 32;
    const STEPS_AT_HAND: usize = 1;

    #[inline(always)]
    unsafe fn multiply(job: &Job<'_>) {
        // SAFETY: the caller's word.
        unsafe {
            if job.steps.len() == 1 && job.is_alone {
                multiply_at_hand!(
                    job,
                    Self::HALF,
                    2,
                    ["tileloadd tmm4, [{b} + {k}]", "tileloadd tmm6, [{b} + {k} + 1024]"],
                    "tileloadd tmm2, [{u} + {s} + {half}]",
                    "tdpbf16ps tmm0, tmm2, tmm4",
                    "tileloadd tmm3, [{v} + {s} + {half}]",
                    "tdpbf16ps tmm1, tmm3, tmm4",
                    "tileloadd tmm2, [{u} + {s}]",
                    "tdpbf16ps tmm0, tmm2, tmm4",
                    "tileloadd tmm3, [{v} + {s}]",
                    "tdpbf16ps tmm1, tmm3, tmm4",
                    "tdpbf16ps tmm0, tmm2, tmm6",
                    "tdpbf16ps tmm1, tmm3, tmm6",
                );
                return;
            }
            if job.steps.len() == 1 {
                multiply_at_hand!(
                    job,
                    Self::HALF,
                    1,
                    [
                        "tileloadd tmm4, [{b} + {k}]",
                        "tileloadd tmm5, [{c} + {k}]",
                        "tileloadd tmm6, [{b} + {k} + 1024]",
                        "tileloadd tmm7, [{c} + {k} + 1024]"
                    ],
                    "tileloadd tmm2, [{u} + {s} + {half}]",
                    "tdpbf16ps tmm0, tmm2, tmm4",
                    "tdpbf16ps tmm1, tmm2, tmm5",
                    "tileloadd tmm3, [{u} + {s}]",
                    "tdpbf16ps tmm0, tmm3, tmm4",
                    "tdpbf16ps tmm1, tmm3, tmm5",
                    "tdpbf16ps tmm0, tmm3, tmm6",
                    "tdpbf16ps tmm1, tmm3, tmm7",
                );
                return;
            }
            multiply!(
                job,
                Self::HALF,
                2,
                "tileloadd tmm4, [{u} + {s} + {half}]",
                "tileloadd tmm6, [{b} + {k}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{c} + {k}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{v} + {s} + {half}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{u} + {s}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{v} + {s}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm6, [{b} + {k} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tileloadd tmm7, [{c} + {k} + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm3, tmm5, tmm7",
            );
        }
    }
}

impl Numbers for Bf16 {
    const BLOCK: usize = 32;

    #[inline(always)]
    unsafe fn multiply(job: &Job<'_>) {
        // SAFETY: the caller's word.
        unsafe {
            multiply_whole!(job, "tdpbf16ps");
        }
    }
}

impl Numbers for Int8 {
    const BLOCK: usize = 16;

    #[inline(always)]
    unsafe fn multiply(job: &Job<'_>) {
        // SAFETY: the caller's word.
        unsafe {
            multiply_whole!(job, "tdpbusd");
        }
    }

    #[inline(always)]
    unsafe fn end(sum: __m512, starts: __m512, scales: __m512, bias: __m512) -> __m512 {
        // SAFETY: the caller's word.
        unsafe {
            let sum = _mm512_add_epi32(_mm512_castps_si512(sum), _mm512_castps_si512(starts));
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scales, bias)
        }
    }
}

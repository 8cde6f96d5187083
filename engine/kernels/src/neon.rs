//! NEON. A line is four registers, each with four rows, and with them go the codes of four probes.
//!
//! ARMv8.2 has an instruction that adds the products of 16 bytes, `sdot`, which most CPUs of today have; for the others
//! four do the same.

use std::arch::aarch64::*;
use std::arch::asm;

use crate::codes::{BLOCK_ROWS, Found, Line, Probe, Reach, TILE_PROBES, Tile};

/// Of the rows of a line.
const REGISTERS: usize = 4;
/// With the line and a probe, 21 of the 32 registers there are.
const PROBES_AT_ONCE: usize = 4;

/// How the products of bytes are summed.
trait Dot {
    /// Adds to each sum the products of its four bytes, of which those of the probe are not −128.
    ///
    /// # Safety
    /// The CPU has the instructions.
    unsafe fn dot(sums: int32x4_t, rows: int8x16_t, probe: int8x16_t) -> int32x4_t;
}

/// By what every CPU has.
struct Widened;

impl Dot for Widened {
    #[inline(always)]
    unsafe fn dot(sums: int32x4_t, rows: int8x16_t, probe: int8x16_t) -> int32x4_t {
        // SAFETY: the caller's word.
        unsafe {
            let low = vmull_s8(vget_low_s8(rows), vget_low_s8(probe));
            let high = vmull_high_s8(rows, probe);
            // Two products are at most 2 · 128 · 127, which 16 bits have.
            vpadalq_s16(sums, vpaddq_s16(low, high))
        }
    }
}

/// By `sdot`.
struct Sdot;

impl Dot for Sdot {
    #[inline(always)]
    unsafe fn dot(mut sums: int32x4_t, rows: int8x16_t, probe: int8x16_t) -> int32x4_t {
        // SAFETY: the caller's word; registers alone are read and written. (Rust 1.94 has no stable `vdotq_s32`.)
        unsafe {
            asm!(
                "sdot {sums:v}.4s, {rows:v}.16b, {probe:v}.16b",
                sums = inout(vreg) sums,
                rows = in(vreg) rows,
                probe = in(vreg) probe,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sums
    }
}

#[target_feature(enable = "neon")]
pub(crate) fn first_within(blocks: &[Line], probe: &Probe) -> Option<Found> {
    // SAFETY: the instructions are enabled.
    unsafe { first_within_by::<Widened>(blocks, probe) }
}

#[target_feature(enable = "neon,dotprod")]
pub(crate) fn first_within_by_sdot(blocks: &[Line], probe: &Probe) -> Option<Found> {
    // SAFETY: the instructions are enabled.
    unsafe { first_within_by::<Sdot>(blocks, probe) }
}

#[target_feature(enable = "neon")]
pub(crate) fn within(blocks: [&[Line]; 2], tile: &Tile) -> [u32; TILE_PROBES] {
    // SAFETY: the instructions are enabled.
    unsafe { within_by::<Widened>(blocks, tile) }
}

#[target_feature(enable = "neon,dotprod")]
pub(crate) fn within_by_sdot(blocks: [&[Line]; 2], tile: &Tile) -> [u32; TILE_PROBES] {
    // SAFETY: the instructions are enabled.
    unsafe { within_by::<Sdot>(blocks, tile) }
}

/// # Safety
/// The CPU has the instructions.
#[inline(always)]
unsafe fn first_within_by<D: Dot>(blocks: &[Line], probe: &Probe) -> Option<Found> {
    for (block, lines) in blocks.chunks_exact(probe.codes.len() + 2).enumerate() {
        let (codes, bounds) = lines.split_last_chunk()?;
        // SAFETY: the caller's word.
        let rows = unsafe {
            let [sums] = products::<D, 1>(codes, probe.codes.iter().map(|code| [*code]));
            rows_within(sums, bounds, probe.step, probe.reach)
        };
        if rows != 0 {
            return Some(Found { block, rows });
        }
    }
    None
}

/// # Safety
/// The CPU has the instructions.
#[inline(always)]
unsafe fn within_by<D: Dot>(blocks: [&[Line]; 2], tile: &Tile) -> [u32; TILE_PROBES] {
    let mut found = [0; TILE_PROBES];
    for (block, shift) in blocks.into_iter().zip([0, BLOCK_ROWS]) {
        let Some((codes, bounds)) = block.split_last_chunk() else { break };
        for first in (0..TILE_PROBES).step_by(PROBES_AT_ONCE) {
            let probes = tile.codes.iter().map(|codes| std::array::from_fn(|probe| codes[first + probe]));
            // SAFETY: the caller's word.
            unsafe {
                let sums = products::<D, PROBES_AT_ONCE>(codes, probes);
                for (place, sums) in (first..).zip(sums) {
                    let rows = rows_within(sums, bounds, tile.steps[place], tile.reaches[place]);
                    found[place] |= u32::from(rows) << shift;
                }
            }
        }
    }
    found
}

/// Of each probe, the sum for each row of a block. The rows' offset is taken off, and not the probe's added.
///
/// # Safety
/// The CPU has the instructions.
#[inline(always)]
unsafe fn products<D: Dot, const PROBES: usize>(
    lines: &[Line],
    probes: impl Iterator<Item = [i32; PROBES]>,
) -> [[int32x4_t; REGISTERS]; PROBES] {
    // SAFETY: the caller's word.
    unsafe {
        let mut sums = [[vdupq_n_s32(0); REGISTERS]; PROBES];
        for (line, probes) in lines.iter().zip(probes) {
            // `code + 128` without a sign is `code` with one, but for the highest bit.
            let rows = load(line).map(|rows| vreinterpretq_s8_u8(veorq_u8(rows, vdupq_n_u8(0x80))));
            for (sums, probe) in sums.iter_mut().zip(probes) {
                let probe = vreinterpretq_s8_s32(vdupq_n_s32(probe));
                for (sums, rows) in sums.iter_mut().zip(rows) {
                    *sums = D::dot(*sums, rows, probe);
                }
            }
        }
        sums
    }
}

/// Step 3 of the proof.
///
/// # Safety
/// The CPU has the instructions.
#[inline(always)]
unsafe fn rows_within(sums: [int32x4_t; REGISTERS], [bounds, norms]: &[Line; 2], step: f32, reach: Reach) -> u16 {
    let mut found = 0;
    // SAFETY: the caller's word.
    unsafe {
        let (bounds, norms) = (load(bounds), load(norms));
        let bits = vcombine_u32(vcreate_u32(2 << 32 | 1), vcreate_u32(8 << 32 | 4));
        for register in 0..REGISTERS {
            let bounds = vreinterpretq_u32_u8(bounds[register]);
            let scales = vreinterpretq_f32_u32(vandq_u32(bounds, vdupq_n_u32(0xffff_0000)));
            let errors = vreinterpretq_f32_u32(vshlq_n_u32::<16>(bounds));
            let base = vaddq_f32(vdupq_n_f32(reach.base), vreinterpretq_f32_u8(norms[register]));
            let steps = vmulq_f32(vdupq_n_f32(step), scales);
            let excess = vfmsq_f32(base, steps, vcvtq_f32_s32(sums[register]));
            let excess = vfmsq_f32(excess, vdupq_n_f32(reach.twice_limit), errors);
            // NaN is no proof.
            let excluded = vcgtq_f32(excess, vdupq_n_f32(0.0));
            found |= (vaddvq_u32(vbicq_u32(bits, excluded)) as u16) << (register * BLOCK_ROWS / REGISTERS);
        }
    }
    found
}

/// # Safety
/// The CPU has the instructions.
#[inline(always)]
unsafe fn load(line: &Line) -> [uint8x16_t; REGISTERS] {
    // SAFETY: a quarter of a line is as long as a register, and the instruction takes it at any address.
    unsafe { std::array::from_fn(|register| vld1q_u8(line.as_ptr().add(16 * register))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the ends of what bytes are, where sums of 16 bits would be too small first.
    #[test]
    fn products_of_bytes_are_exact() {
        let rows: [i8; 16] = [-128, -128, -128, -128, 127, 127, 127, 127, -128, 127, -128, 127, 0, 1, -1, 100];
        for probe in [[127; 4], [-127; 4], [127, -127, 127, -127], [-127, -127, 127, 127], [0, 1, -2, 3]] {
            let probes: [i8; 16] = std::array::from_fn(|place| probe[place % 4]);
            let expected: [i32; 4] = std::array::from_fn(|row| {
                let products = (0..4).map(|place| i32::from(rows[4 * row + place]) * i32::from(probe[place]));
                1_000_000 + products.sum::<i32>()
            });
            let sums_by = |dot: unsafe fn(int32x4_t, int8x16_t, int8x16_t) -> int32x4_t| {
                let mut sums = [1_000_000; 4];
                // SAFETY: the arrays are as long as the registers, and the CPU has what `dot` needs.
                unsafe {
                    let dots = dot(vld1q_s32(sums.as_ptr()), vld1q_s8(rows.as_ptr()), vld1q_s8(probes.as_ptr()));
                    vst1q_s32(sums.as_mut_ptr(), dots);
                }
                sums
            };
            assert_eq!(sums_by(Widened::dot), expected);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                #[target_feature(enable = "neon,dotprod")]
                fn sdot(sums: int32x4_t, rows: int8x16_t, probe: int8x16_t) -> int32x4_t {
                    // SAFETY: the instructions are enabled.
                    unsafe { Sdot::dot(sums, rows, probe) }
                }
                assert_eq!(sums_by(sdot), expected);
            }
        }
    }
}

//! AVX2. It multiplies bytes without saturation only when they are widened to 16 bits: a line is four registers, each
//! with two sums of each of four rows.

use std::arch::x86_64::*;

use crate::codes::{BLOCK_ROWS, Found, GROUP, Line, Probe, Reach, TILE_PROBES, Tile};
use crate::portable;

const REGISTERS: usize = 4;
/// With the line, 14 of the 16 registers there are.
const PROBES_AT_ONCE: usize = 2;

#[target_feature(enable = "avx2")]
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    portable::squared_distance(a, b)
}

#[target_feature(enable = "avx2")]
pub(crate) fn first_within(blocks: &[Line], probe: &Probe) -> Option<Found> {
    for (block, lines) in blocks.chunks_exact(probe.codes.len() + 2).enumerate() {
        let (codes, bounds) = lines.split_last_chunk()?;
        let [sums] = products(codes, probe.codes.iter().map(|code| [*code]));
        let rows = rows_within(sums, probe.offset, bounds, probe.step, probe.reach);
        if rows != 0 {
            return Some(Found { block, rows });
        }
    }
    None
}

#[target_feature(enable = "avx2")]
pub(crate) fn within(blocks: [&[Line]; 2], tile: &Tile) -> [u32; TILE_PROBES] {
    let mut found = [0; TILE_PROBES];
    for (block, shift) in blocks.into_iter().zip([0, BLOCK_ROWS]) {
        let Some((codes, bounds)) = block.split_last_chunk() else { break };
        for first in (0..TILE_PROBES).step_by(PROBES_AT_ONCE) {
            let probes = tile.codes.iter().map(|codes| [codes[first], codes[first + 1]]);
            let sums: [_; PROBES_AT_ONCE] = products(codes, probes);
            for (place, sums) in (first..).zip(sums) {
                let rows = rows_within(sums, tile.offsets[place], bounds, tile.steps[place], tile.reaches[place]);
                found[place] |= u32::from(rows) << shift;
            }
        }
    }
    found
}

/// Of each probe, two sums for each row of a block.
#[target_feature(enable = "avx2")]
#[inline]
fn products<const PROBES: usize>(
    lines: &[Line],
    probes: impl Iterator<Item = [i32; PROBES]>,
) -> [[__m256i; REGISTERS]; PROBES] {
    let mut sums = [[_mm256_setzero_si256(); REGISTERS]; PROBES];
    for (line, probes) in lines.iter().zip(probes) {
        let quarters = line.as_chunks::<16>().0;
        let mut rows = [_mm256_setzero_si256(); REGISTERS];
        for (rows, quarter) in rows.iter_mut().zip(quarters) {
            *rows = _mm256_cvtepu8_epi16(load(quarter));
        }
        for (sums, probe) in sums.iter_mut().zip(probes) {
            let probe = _mm256_cvtepi8_epi16(_mm_set1_epi32(probe));
            for (sum, rows) in sums.iter_mut().zip(rows) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(rows, probe));
            }
        }
    }
    sums
}

/// Step 3 of the proof.
#[target_feature(enable = "avx2")]
#[inline]
fn rows_within(sums: [__m256i; REGISTERS], offset: i32, [bounds, norms]: &[Line; 2], step: f32, reach: Reach) -> u16 {
    let (bounds, norms) = (bounds.as_chunks::<32>().0, norms.as_chunks::<32>().0);
    let mut found = 0;
    for (half, pair) in sums.as_chunks::<2>().0.iter().enumerate() {
        // Rows 0 1 4 5 2 3 6 7 after the sum within 128 bits.
        let sums = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(pair[0], pair[1]));
        let sums = _mm256_add_epi32(sums, _mm256_set1_epi32(offset));
        let bounds = load_wide(&bounds[half]);
        let scales = _mm256_castsi256_ps(_mm256_and_si256(bounds, _mm256_set1_epi32(0xffff_0000_u32 as i32)));
        let errors = _mm256_castsi256_ps(_mm256_slli_epi32(bounds, 16));
        let base = _mm256_add_ps(_mm256_set1_ps(reach.base), _mm256_castsi256_ps(load_wide(&norms[half])));
        let steps = _mm256_mul_ps(_mm256_set1_ps(step), scales);
        let excess = _mm256_sub_ps(base, _mm256_mul_ps(steps, _mm256_cvtepi32_ps(sums)));
        let excess = _mm256_sub_ps(excess, _mm256_mul_ps(_mm256_set1_ps(reach.twice_limit), errors));
        // NaN is no proof.
        let rows = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NGT_UQ>(excess, _mm256_setzero_ps()));
        found |= (rows as u16) << (half * 2 * GROUP);
    }
    found
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(quarter: &[u8; 16]) -> __m128i {
    // SAFETY: the array is as long as the register, and the instruction takes it at any address.
    unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_wide(half: &[u8; 32]) -> __m256i {
    // SAFETY: the array is as long as the register, and the instruction takes it at any address.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
}

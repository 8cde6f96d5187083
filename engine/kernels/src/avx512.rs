//! AVX-512 F, BW and VNNI. A line is a register, and one instruction adds the products of its 64 codes.

use std::arch::x86_64::*;

use crate::codes::{BLOCK_ROWS, Found, LINE_BYTES, Line, Probe, Reach, TILE_PROBES, Tile};
use crate::portable;

#[target_feature(enable = "avx512f")]
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    portable::squared_distance(a, b)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(crate) fn first_within(blocks: &[Line], probe: &Probe) -> Option<Found> {
    // Sums that do not wait for each other.
    const SUMS: usize = 4;
    let (probe_chunks, probe_rest) = probe.codes.as_chunks::<SUMS>();
    for (block, lines) in blocks.chunks_exact(probe.codes.len() + 2).enumerate() {
        let (codes, bounds) = lines.split_last_chunk()?;
        let (chunks, rest) = codes.as_chunks::<SUMS>();
        let mut sums = [_mm512_setzero_si512(); SUMS];
        sums[0] = _mm512_set1_epi32(probe.offset);
        for (lines, codes) in chunks.iter().zip(probe_chunks) {
            for (sum, (line, code)) in sums.iter_mut().zip(lines.iter().zip(codes)) {
                *sum = _mm512_dpbusd_epi32(*sum, load(line), _mm512_set1_epi32(*code));
            }
        }
        for (sum, (line, code)) in sums.iter_mut().zip(rest.iter().zip(probe_rest)) {
            *sum = _mm512_dpbusd_epi32(*sum, load(line), _mm512_set1_epi32(*code));
        }
        let sum = _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]), _mm512_add_epi32(sums[2], sums[3]));
        let rows = Bounds::new(bounds).rows_within(sum, probe.step, probe.reach);
        if rows != 0 {
            return Some(Found { block, rows });
        }
    }
    None
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(crate) fn within([one, two]: [&[Line]; 2], tile: &Tile) -> [u32; TILE_PROBES] {
    let mut found = [0; TILE_PROBES];
    let (Some((one, one_bounds)), Some((two, two_bounds))) = (one.split_last_chunk(), two.split_last_chunk()) else {
        return found;
    };
    let mut sums = [[_mm512_setzero_si512(); TILE_PROBES]; 2];
    for (place, offset) in tile.offsets.iter().enumerate() {
        sums[0][place] = _mm512_set1_epi32(*offset);
        sums[1][place] = sums[0][place];
    }
    // The blocks after these two are asked for meanwhile: what reads a row for many probes is not fast enough for the
    // CPU to see by itself where it is going.
    let ahead = 2 * (one.len() + 2);
    for ((one, two), codes) in one.iter().zip(two).zip(&tile.codes) {
        prefetch(one, ahead);
        prefetch(two, ahead);
        let (one, two) = (load(one), load(two));
        for place in 0..TILE_PROBES {
            let code = _mm512_set1_epi32(codes[place]);
            sums[0][place] = _mm512_dpbusd_epi32(sums[0][place], one, code);
            sums[1][place] = _mm512_dpbusd_epi32(sums[1][place], two, code);
        }
    }
    let (one, two) = (Bounds::new(one_bounds), Bounds::new(two_bounds));
    for place in 0..TILE_PROBES {
        let (step, reach) = (tile.steps[place], tile.reaches[place]);
        let (one, two) = (one.rows_within(sums[0][place], step, reach), two.rows_within(sums[1][place], step, reach));
        found[place] = u32::from(one) | u32::from(two) << BLOCK_ROWS;
    }
    found
}

/// The bounds of a block's rows.
struct Bounds {
    scales: __m512,
    errors: __m512,
    norms: __m512,
}

impl Bounds {
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn new([bounds, norms]: &[Line; 2]) -> Self {
        let bounds = load(bounds);
        Self {
            scales: _mm512_castsi512_ps(_mm512_and_si512(bounds, _mm512_set1_epi32(0xffff_0000_u32 as i32))),
            errors: _mm512_castsi512_ps(_mm512_slli_epi32(bounds, 16)),
            norms: _mm512_castsi512_ps(load(norms)),
        }
    }

    /// Step 3 of the proof.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn rows_within(&self, sums: __m512i, step: f32, reach: Reach) -> u16 {
        let base = _mm512_add_ps(_mm512_set1_ps(reach.base), self.norms);
        let steps = _mm512_mul_ps(_mm512_set1_ps(step), self.scales);
        let excess = _mm512_fnmadd_ps(steps, _mm512_cvtepi32_ps(sums), base);
        let excess = _mm512_fnmadd_ps(_mm512_set1_ps(reach.twice_limit), self.errors, excess);
        // NaN is no proof.
        _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(excess, _mm512_setzero_ps())
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(line: &Line) -> __m512i {
    // SAFETY: a line is as long as the register, and the instruction takes it at any address.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}

/// Asks for the line so many lines further on.
#[inline]
fn prefetch(line: &Line, ahead: usize) {
    let address = line.as_ptr().wrapping_add(ahead * LINE_BYTES).cast();
    // SAFETY: a hint, which may name any address: nothing is read that could fault.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) }
}

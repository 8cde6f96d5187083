//! For every CPU, in the plainest form: what the other files are held against.

use crate::codes::{BLOCK_ROWS, Found, GROUP, Line, Probe, Reach, TILE_PROBES, Tile};

/// Inlined into callers with more instructions: the compiler then uses those, and keeps the order of the sums.
#[inline(always)]
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let difference = a[lane] - b[lane];
            sums[lane] += difference * difference;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b));
    sums.into_iter().chain(rest).sum()
}

pub(crate) fn first_within(blocks: &[Line], probe: &Probe) -> Option<Found> {
    for (block, lines) in blocks.chunks_exact(probe.codes.len() + 2).enumerate() {
        let (codes, bounds) = lines.split_last_chunk()?;
        let mut sums = [probe.offset; BLOCK_ROWS];
        for (line, code) in codes.iter().zip(&probe.codes) {
            add_products(&mut sums, line, *code);
        }
        let rows = rows_within(&sums, bounds, probe.step, probe.reach);
        if rows != 0 {
            return Some(Found { block, rows });
        }
    }
    None
}

pub(crate) fn within(blocks: [&[Line]; 2], tile: &Tile) -> [u32; TILE_PROBES] {
    let mut found = [0; TILE_PROBES];
    for (block, shift) in blocks.into_iter().zip([0, BLOCK_ROWS]) {
        let Some((codes, bounds)) = block.split_last_chunk() else { break };
        let mut sums = tile.offsets.map(|offset| [offset; BLOCK_ROWS]);
        for (line, codes) in codes.iter().zip(&tile.codes) {
            for (sums, code) in sums.iter_mut().zip(codes) {
                add_products(sums, line, *code);
            }
        }
        for (place, sums) in sums.iter().enumerate() {
            let rows = rows_within(sums, bounds, tile.steps[place], tile.reaches[place]);
            found[place] |= u32::from(rows) << shift;
        }
    }
    found
}

fn add_products(sums: &mut [i32; BLOCK_ROWS], line: &Line, code: i32) {
    let probe = code.to_le_bytes().map(|byte| i32::from(byte as i8));
    for (sum, row) in sums.iter_mut().zip(line.as_chunks::<GROUP>().0) {
        for (row, probe) in row.iter().zip(probe) {
            *sum = sum.wrapping_add(i32::from(*row) * probe);
        }
    }
}

/// Step 3 of the proof.
fn rows_within(sums: &[i32; BLOCK_ROWS], [bounds, norms]: &[Line; 2], step: f32, reach: Reach) -> u16 {
    let (bounds, norms) = (bounds.as_chunks().0, norms.as_chunks().0);
    let mut rows = 0;
    for row in 0..BLOCK_ROWS {
        let bound = u32::from_le_bytes(bounds[row]);
        let (scale, error) = (f32::from_bits(bound & 0xffff_0000), f32::from_bits(bound << 16));
        let norm = f32::from_le_bytes(norms[row]);
        let excess = (reach.base + norm) - (step * scale) * sums[row] as f32 - reach.twice_limit * error;
        // NaN is no proof.
        let excluded = excess > 0.0;
        rows |= u16::from(!excluded) << row;
    }
    rows
}

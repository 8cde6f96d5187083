//! How many shades there are, and how much is white.

use super::plane::{Plane, Region};

/// Luma above which a skin has no shades left.
const WHITE: usize = 239;

/// Dynamic range and share of overexposed pixels, as [`FaceMeasurements`](super::FaceMeasurements) has them.
pub(super) fn exposure(luma: &Plane, region: &Region) -> (f32, f32) {
    let mut histogram = [0_u32; 256];
    for value in luma.rows(region).flatten() {
        histogram[(*value as usize).min(255)] += 1;
    }
    let all = histogram.iter().sum::<u32>().max(1) as f32;
    let entropy = |&count: &u32| match count as f32 / all {
        0.0 => 0.0,
        share => -share * share.log2(),
    };
    let white = histogram[WHITE + 1..].iter().sum::<u32>() as f32 / all;
    (histogram.iter().map(entropy).sum(), white)
}

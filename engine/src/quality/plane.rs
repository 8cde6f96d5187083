//! The luma of a crop, and what is measured on parts of it.

use std::ops::Range;

use crate::detect::Landmarks;
use crate::photo::Photo;

/// A plane of numbers, row by row.
#[derive(Debug)]
pub(super) struct Plane {
    width: usize,
    values: Vec<f32>,
}

/// A rectangle of a plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) x: Range<usize>,
    pub(super) y: Range<usize>,
}

impl Region {
    /// Where the face is in a crop of `side` pixels whose landmarks lie as in `template`: from between brows and hair to
    /// the chin and to the cheeks, that is farther than the outermost landmarks by these shares of the distance of the
    /// eyes. One pixel of the border is left out.
    pub(super) fn of_face(template: &Landmarks, side: usize) -> Self {
        const BESIDE: f32 = 0.35;
        const ABOVE: f32 = 0.45;
        const BELOW: f32 = 0.35;
        let eyes = template[0].distance(template[1]);
        let fold = |values: [f32; 5], pick: fn(f32, f32) -> f32| values.into_iter().reduce(pick).unwrap_or_default();
        let (xs, ys) = (template.map(|p| p.x), template.map(|p| p.y));
        let range = |from: f32, to: f32| {
            let most = side.saturating_sub(1);
            let from = (from.round() as usize).clamp(1.min(most), most);
            from..(to.round() as usize).clamp(from, most)
        };
        Self {
            x: range(fold(xs, f32::min) - BESIDE * eyes, fold(xs, f32::max) + BESIDE * eyes),
            y: range(fold(ys, f32::min) - ABOVE * eyes, fold(ys, f32::max) + BELOW * eyes),
        }
    }

    /// The same part of a plane of blocks of `block` × `block` pixels, and `side` of them; without the border.
    fn of_blocks(&self, block: usize, side: usize) -> Self {
        let range = |range: &Range<usize>| {
            let most = side.saturating_sub(1);
            let from = (range.start / block).clamp(1.min(most), most);
            from..(range.end / block).clamp(from, most)
        };
        Self { x: range(&self.x), y: range(&self.y) }
    }
}

impl Plane {
    /// Luma as ITU-R BT.601 weighs colours, rounded to a whole number of 0…255 as OpenCV's `COLOR_RGB2GRAY` does.
    pub(super) fn luma(crop: &Photo) -> Self {
        let luma = |rgb: &[u8]| {
            let sum = 4899 * u32::from(rgb[0]) + 9617 * u32::from(rgb[1]) + 1868 * u32::from(rgb[2]);
            ((sum + (1 << 13)) >> 14) as f32
        };
        Self { width: crop.width() as usize, values: crop.rgb().chunks_exact(3).map(luma).collect() }
    }

    /// The means of blocks of `block` × `block` values, and `region` in them. What is left over at the right and below
    /// belongs to none.
    pub(super) fn blocks(&self, block: usize, region: &Region) -> (Self, Region) {
        let width = self.width / block;
        let mut values = Vec::with_capacity(width * width);
        for rows in self.values.chunks_exact(self.width * block) {
            for column in 0..width {
                let of_row = |row: &[f32]| row[column * block..][..block].iter().sum::<f32>();
                values.push(rows.chunks_exact(self.width).map(of_row).sum::<f32>() / (block * block) as f32);
            }
        }
        (Self { width, values }, region.of_blocks(block, width))
    }

    /// The rows of a region.
    pub(super) fn rows<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = &'a [f32]> {
        region.y.clone().map(|y| &self.values[y * self.width..][region.x.clone()])
    }

    /// Variance of the values of a region.
    pub(super) fn variance(&self, region: &Region) -> f32 {
        variance(self.rows(region).flatten().copied())
    }

    /// Variance of the Laplacian over a region, which does not touch the border: of the four neighbours' sum less four
    /// times the value, as OpenCV's `Laplacian` of aperture 1.
    pub(super) fn laplacian_variance(&self, region: &Region) -> f32 {
        let (values, width) = (&self.values, self.width);
        variance(region.y.clone().flat_map(|y| {
            region.x.clone().map(move |x| {
                let at = y * width + x;
                values[at - 1] + values[at + 1] + values[at - width] + values[at + width] - 4.0 * values[at]
            })
        }))
    }
}

/// 0 of no values.
fn variance(values: impl Iterator<Item = f32>) -> f32 {
    let (mut count, mut sum, mut squares) = (0.0_f64, 0.0, 0.0);
    for value in values.map(f64::from) {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    if count == 0.0 { 0.0 } else { (squares / count - (sum / count).powi(2)).max(0.0) as f32 }
}

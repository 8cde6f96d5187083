//! P-Net: slides over an image pyramid and proposes boxes.

use std::ops::Range;

use super::candidate::{Candidate, squared};
use crate::BoundingBox;
use crate::detect::{Overlap, non_maximum_suppression};
use crate::model::{ModelError, Network};
use crate::parallel;
use crate::photo::Photo;
use crate::tensor::{ChannelOrder, padded_rows};

/// Side of the square that one cell of P-Net's output looks at.
const CELL: f32 = 12.0;
/// Pixels from one cell to the next.
const STRIDE: f32 = 2.0;
/// Ratio of one pyramid level to the one above.
const PYRAMID_FACTOR: f32 = 0.709;
const MIN_SCORE: f32 = 0.6;
const NMS_IOU_IN_LEVEL: f32 = 0.5;
const NMS_IOU_ACROSS_LEVELS: f32 = 0.7;

/// Black pixels around each level, so that a face which fills the photo or leaves it still fits a cell.
/// Without them 2 of the 109 faces of the golden photos are missed, both on tight portraits.
const MARGIN: usize = 4;

/// Cells that are looked at in one run, about. Threads share the bands of a large level, and what a run takes of
/// memory does not grow with the photo.
const BAND_CELLS: usize = 16_384;
/// Rows of pixels that two bands next to each other both look at.
const OVERLAP: usize = CELL as usize - STRIDE as usize;

/// Most pixels of the largest pyramid level: 40-pixel faces on a 12-megapixel photo. A larger photo
/// starts at a smaller scale, which bounds time and memory.
const MAX_PIXELS: f32 = 1_250_000.0;
/// Most boxes that leave a level, and that leave the network, the best first. Photos of crowds stay
/// far below; noise made to fill the cascade does not.
const MAX_CANDIDATES: usize = 3000;

#[derive(Debug)]
pub(super) struct ProposalNetwork {
    network: Network,
    regression: usize,
    probability: usize,
}

/// A candidate whose regression is still to be applied.
#[derive(Clone, Copy)]
struct Proposal {
    candidate: Candidate,
    regression: [f32; 4],
}

impl ProposalNetwork {
    pub(super) fn new(network: Network) -> Result<Self, ModelError> {
        let (regression, probability) = (network.output_index("reg")?, network.output_index("prob")?);
        Ok(Self { network, regression, probability })
    }

    /// Square boxes that may hold a face of at least `min_face` pixels.
    pub(super) fn propose(&self, photo: &Photo, min_face: f32) -> Result<Vec<Candidate>, ModelError> {
        let levels = parallel::map(&scales(photo, min_face), |&scale| Level::new(photo, scale));
        let bands: Vec<(usize, Range<usize>)> =
            levels.iter().enumerate().flat_map(|(level, of)| of.bands().map(move |rows| (level, rows))).collect();
        let seen = parallel::map(&bands, |(level, rows)| self.look(&levels[*level], rows.clone()));
        let mut in_levels = vec![Vec::new(); levels.len()];
        for ((level, _), proposals) in bands.iter().zip(seen) {
            in_levels[*level].extend(proposals?);
        }
        let proposals: Vec<Proposal> = in_levels
            .iter()
            .flat_map(|level| suppress(level, NMS_IOU_IN_LEVEL).into_iter().map(|kept| level[kept]))
            .collect();
        let kept = suppress(&proposals, NMS_IOU_ACROSS_LEVELS);
        Ok(kept
            .into_iter()
            .map(|kept| {
                let Proposal { candidate, regression } = &proposals[kept];
                let bbox = candidate.regressed(regression, candidate.bbox.width, candidate.bbox.height);
                Candidate { bbox: squared(&bbox), score: candidate.score }
            })
            .collect())
    }

    /// What is proposed by some rows of cells of a level.
    fn look(&self, level: &Level, rows: Range<usize>) -> Result<Vec<Proposal>, ModelError> {
        let (width, top, bottom) = (level.width(), rows.start * STRIDE as usize, level.bottom(&rows));
        let planes = padded_rows(&level.photo, MARGIN, width, top..bottom, ChannelOrder::RGB);
        let outputs = self.network.run(bottom - top, width, &planes)?;
        let (probability, regression) = (&outputs[self.probability], &outputs[self.regression]);
        let columns = cells(width);
        for (output, channels) in [(probability, 2), (regression, 4)] {
            let expected = [1, channels, rows.len(), columns];
            if output.shape != expected {
                return Err(self.network.wrong_shape(output, format!("{expected:?}")));
            }
        }
        let plane = rows.len() * columns;
        let position =
            |index: usize, offset: f32| ((STRIDE * index as f32 + offset - MARGIN as f32) / level.scale).floor();
        let face = probability.values[plane..].iter().enumerate();
        let proposals = face.filter(|&(_, &score)| score >= MIN_SCORE).map(|(cell, &score)| {
            let (row, column) = (rows.start + cell / columns, cell % columns);
            let (left, top) = (position(column, 1.0), position(row, 1.0));
            let (right, bottom) = (position(column, CELL), position(row, CELL));
            Proposal {
                candidate: Candidate { bbox: BoundingBox::new(left, top, right - left, bottom - top), score },
                regression: std::array::from_fn(|i| regression.values[i * plane + cell]),
            }
        });
        Ok(proposals.collect())
    }
}

/// A level of the pyramid.
struct Level {
    scale: f32,
    photo: Photo,
}

impl Level {
    fn new(photo: &Photo, scale: f32) -> Self {
        let scaled = |side: u32| (side as f32 * scale + 1.0) as u32;
        let photo = photo.resize_region(photo.bounds(), scaled(photo.width()), scaled(photo.height()));
        Self { scale, photo }
    }

    /// Columns of pixels, with the margin.
    fn width(&self) -> usize {
        self.photo.width() as usize + 2 * MARGIN
    }

    /// Rows of pixels, with the margin.
    fn height(&self) -> usize {
        self.photo.height() as usize + 2 * MARGIN
    }

    /// Rows of cells, a band each, of nearly the same height.
    fn bands(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = cells(self.height());
        let bands = (rows * cells(self.width())).div_ceil(BAND_CELLS);
        let band = rows.div_ceil(bands.max(1)).max(1);
        (0..rows).step_by(band).map(move |first| first..rows.min(first + band))
    }

    /// The row of pixels after the last that `rows` of cells look at.
    fn bottom(&self, rows: &Range<usize>) -> usize {
        (rows.end * STRIDE as usize + OVERLAP).min(self.height())
    }
}

/// Side of the smallest face that is looked for on a photo of `width × height` pixels.
pub(super) fn smallest_face((width, height): (u32, u32), min_face: f32) -> f32 {
    let (width, height) = (width as f32, height as f32);
    min_face.max(CELL).max(CELL * (width * height / MAX_PIXELS).sqrt())
}

/// Scales of the pyramid, the largest first: from the smallest face filling a cell to the photo
/// filling it.
fn scales(photo: &Photo, min_face: f32) -> Vec<f32> {
    let largest = CELL / smallest_face((photo.width(), photo.height()), min_face);
    let shortest = photo.width().min(photo.height()) as f32;
    std::iter::successors(Some(largest), |scale| Some(scale * PYRAMID_FACTOR))
        .take_while(|scale| shortest * scale + (MARGIN as f32) >= CELL)
        .collect()
}

/// Cells along a side of `pixels`: a 3×3 convolution, a 2×2 pool that rounds up, two 3×3 convolutions.
fn cells(pixels: usize) -> usize {
    pixels.saturating_sub(2).div_ceil(2).saturating_sub(4)
}

fn suppress(proposals: &[Proposal], iou: f32) -> Vec<usize> {
    // The suppression is quadratic: what is left of an absurd number of proposals is the best of them.
    let mut order: Vec<usize> = (0..proposals.len()).collect();
    order.sort_by(|&a, &b| proposals[b].candidate.score.total_cmp(&proposals[a].candidate.score));
    order.truncate(MAX_CANDIDATES);
    let boxes: Vec<_> =
        order.iter().map(|&index| (proposals[index].candidate.bbox, proposals[index].candidate.score)).collect();
    non_maximum_suppression(&boxes, iou, Overlap::Union).into_iter().map(|kept| order[kept]).collect()
}

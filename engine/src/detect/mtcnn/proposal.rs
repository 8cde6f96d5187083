//! P-Net: slides over an image pyramid and proposes boxes.

use rayon::prelude::*;

use super::candidate::{Candidate, squared};
use crate::BoundingBox;
use crate::detect::{Overlap, non_maximum_suppression};
use crate::model::{ModelError, Network};
use crate::photo::Photo;
use crate::tensor::{ChannelOrder, padded_planes};

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
        let levels: Vec<_> =
            scales(photo, min_face).into_par_iter().map(|scale| self.level(photo, scale)).collect::<Result<_, _>>()?;
        let proposals: Vec<Proposal> = levels.into_iter().flatten().collect();
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

    fn level(&self, photo: &Photo, scale: f32) -> Result<Vec<Proposal>, ModelError> {
        let scaled = |side: u32| (side as f32 * scale + 1.0) as u32;
        let (width, height) = (scaled(photo.width()), scaled(photo.height()));
        let level = photo.resize_region(photo.bounds(), width, height);
        let (width, height) = (width as usize + 2 * MARGIN, height as usize + 2 * MARGIN);
        let planes = padded_planes(&level, MARGIN, width, height, ChannelOrder::RGB);
        let outputs = self.network.run(height, width, &planes)?;
        let probability = &outputs[self.probability];
        let regression = &outputs[self.regression];
        let &[1, 2, rows, columns] = probability.shape.as_slice() else {
            return Err(self.network.wrong_shape(probability, "[1, 2, rows, columns]"));
        };
        if regression.shape != [1, 4, rows, columns] {
            return Err(self.network.wrong_shape(regression, "[1, 4, rows, columns]"));
        }
        let plane = rows * columns;
        let mut proposals = Vec::new();
        for row in 0..rows {
            for column in 0..columns {
                let cell = row * columns + column;
                let score = probability.values[plane + cell];
                if score < MIN_SCORE {
                    continue;
                }
                let position =
                    |index: usize, offset: f32| ((STRIDE * index as f32 + offset - MARGIN as f32) / scale).floor();
                let (left, top) = (position(column, 1.0), position(row, 1.0));
                let (right, bottom) = (position(column, CELL), position(row, CELL));
                proposals.push(Proposal {
                    candidate: Candidate { bbox: BoundingBox::new(left, top, right - left, bottom - top), score },
                    regression: std::array::from_fn(|i| regression.values[i * plane + cell]),
                });
            }
        }
        Ok(suppress(&proposals, NMS_IOU_IN_LEVEL).into_iter().map(|kept| proposals[kept]).collect())
    }
}

/// Scales of the pyramid, the largest first: from the smallest face filling a cell to the photo
/// filling it.
fn scales(photo: &Photo, min_face: f32) -> Vec<f32> {
    let (width, height) = (photo.width() as f32, photo.height() as f32);
    let largest = (CELL / min_face.max(CELL)).min((MAX_PIXELS / (width * height)).sqrt());
    let shortest = width.min(height);
    std::iter::successors(Some(largest), |scale| Some(scale * PYRAMID_FACTOR))
        .take_while(|scale| shortest * scale + (MARGIN as f32) >= CELL)
        .collect()
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

//! R-Net and O-Net: a closer look at each box.

use super::candidate::{Candidate, crop, squared};
use crate::detect::{Face, Overlap, non_maximum_suppression};
use crate::model::{ModelError, Network, Output};
use crate::parallel;
use crate::photo::Photo;
use crate::tensor::{ChannelOrder, planes};
use crate::{BoundingBox, Point};

const RNET_SIDE: u32 = 24;
const RNET_MIN_SCORE: f32 = 0.7;
const RNET_NMS_IOU: f32 = 0.7;

pub(super) const ONET_SIDE: u32 = 48;
const ONET_NMS_OVERLAP: f32 = 0.7;

/// Boxes that a thread looks at together: to hand them out one by one takes as long as R-Net.
const BOXES_AT_ONCE: usize = 8;

/// R-Net: drops most boxes and moves the others.
#[derive(Debug)]
pub(super) struct RefinementNetwork {
    network: Network,
    regression: usize,
    probability: usize,
}

impl RefinementNetwork {
    pub(super) fn new(network: Network) -> Result<Self, ModelError> {
        let (regression, probability) = (network.output_index("reg")?, network.output_index("prob")?);
        Ok(Self { network, regression, probability })
    }

    /// The boxes that look like a face on 24×24 pixels, moved onto it and made square.
    pub(super) fn refine(&self, photo: &Photo, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, ModelError> {
        let refined = |candidate: &Candidate| {
            let Some(outputs) = look(&self.network, photo, candidate, RNET_SIDE)? else { return Ok(None) };
            let score = face_probability(&self.network, &outputs[self.probability])?;
            let regression = numbers(&self.network, &outputs[self.regression])?;
            Ok((score > RNET_MIN_SCORE).then_some(Refined { candidate: Candidate { score, ..*candidate }, regression }))
        };
        let seen = parallel::map_several(&candidates, BOXES_AT_ONCE, refined);
        let seen: Vec<Option<Refined>> = seen.into_iter().collect::<Result<_, ModelError>>()?;
        let seen: Vec<Refined> = seen.into_iter().flatten().collect();
        let boxes: Vec<_> = seen.iter().map(|refined| (refined.candidate.bbox, refined.candidate.score)).collect();
        let kept = non_maximum_suppression(&boxes, RNET_NMS_IOU, Overlap::Union);
        Ok(kept
            .into_iter()
            .map(|kept| Candidate { bbox: squared(&seen[kept].regressed()), score: seen[kept].candidate.score })
            .collect())
    }
}

/// O-Net: the last word on each box, and its landmarks.
#[derive(Debug)]
pub(super) struct OutputNetwork {
    network: Network,
    regression: usize,
    points: usize,
    probability: usize,
}

impl OutputNetwork {
    pub(super) fn new(network: Network) -> Result<Self, ModelError> {
        let (regression, points) = (network.output_index("reg")?, network.output_index("points")?);
        let probability = network.output_index("prob")?;
        Ok(Self { network, regression, points, probability })
    }

    /// The boxes that are a face on 48×48 pixels, best score first.
    pub(super) fn finish(
        &self,
        photo: &Photo,
        candidates: Vec<Candidate>,
        min_score: f32,
    ) -> Result<Vec<Face>, ModelError> {
        let finished = |&candidate: &Candidate| {
            let Some(outputs) = look(&self.network, photo, &candidate, ONET_SIDE)? else { return Ok(None) };
            let score = face_probability(&self.network, &outputs[self.probability])?;
            if score <= min_score {
                return Ok(None);
            }
            let regression = numbers(&self.network, &outputs[self.regression])?;
            let points: [f32; 10] = numbers(&self.network, &outputs[self.points])?;
            let bbox = Refined { candidate, regression }.regressed();
            Ok(Some(Face { bbox, score, landmarks: landmarks(&candidate.bbox, &points) }))
        };
        let faces = parallel::map_several(&candidates, BOXES_AT_ONCE, finished);
        let faces: Vec<Option<Face>> = faces.into_iter().collect::<Result<_, ModelError>>()?;
        let faces: Vec<Face> = faces.into_iter().flatten().collect();
        let boxes: Vec<_> = faces.iter().map(|face| (face.bbox, face.score)).collect();
        let kept = non_maximum_suppression(&boxes, ONET_NMS_OVERLAP, Overlap::Smaller);
        Ok(kept.into_iter().map(|kept| faces[kept].clone()).collect())
    }
}

/// A candidate and what a network says of where the face really is.
struct Refined {
    candidate: Candidate,
    regression: [f32; 4],
}

impl Refined {
    /// facenet-pytorch's boxes hold their last pixel, hence the 1 more here.
    fn regressed(&self) -> BoundingBox {
        let BoundingBox { width, height, .. } = self.candidate.bbox;
        self.candidate.regressed(&self.regression, width + 1.0, height + 1.0)
    }
}

/// Runs a network on the pixels under a box.
fn look(network: &Network, photo: &Photo, candidate: &Candidate, side: u32) -> Result<Option<Vec<Output>>, ModelError> {
    let Some(crop) = crop(photo, &candidate.bbox, side) else { return Ok(None) };
    let input = planes(&crop, ChannelOrder::RGB, [0.0; 3], [1.0; 3]);
    network.run(side as usize, side as usize, &input).map(Some)
}

/// O-Net's ten numbers are x1…x5, y1…y5 as fractions of the box, whose pixels count from 1.
fn landmarks(bbox: &BoundingBox, points: &[f32; 10]) -> [Point; 5] {
    std::array::from_fn(|i| {
        Point::new((bbox.width + 1.0) * points[i] + bbox.x - 1.0, (bbox.height + 1.0) * points[i + 5] + bbox.y - 1.0)
    })
}

/// The second of the two probabilities: [no face, face].
fn face_probability(network: &Network, output: &Output) -> Result<f32, ModelError> {
    numbers::<2>(network, output).map(|[_, face]| face)
}

fn numbers<const N: usize>(network: &Network, output: &Output) -> Result<[f32; N], ModelError> {
    output.values.as_slice().try_into().map_err(|_| network.wrong_shape(output, format!("[1, {N}]")))
}

//! MTCNN: a cascade of three networks, each looking closer at what the one before let through.
//!
//! Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded
//! Convolutional Networks" (IEEE Signal Processing Letters 2016). Thresholds, pyramid factor and
//! rounding are those of facenet-pytorch (`models/utils/detect_face.py`), whose weights we use;
//! unlike there, a crop that leaves the photo is padded with zeros and not stretched.

mod candidate;
mod proposal;
mod refinement;

use super::Face;
use crate::model::{ModelError, Network};
use crate::photo::{Reduction, View};
use crate::{BoundingBox, Point};
use proposal::ProposalNetwork;
use refinement::{OutputNetwork, RefinementNetwork};

/// The MTCNN detector.
#[derive(Debug)]
pub struct Mtcnn {
    proposal: ProposalNetwork,
    refinement: RefinementNetwork,
    output: OutputNetwork,
}

impl Mtcnn {
    pub(super) fn new(pnet: Network, rnet: Network, onet: Network) -> Result<Self, ModelError> {
        Ok(Self {
            proposal: ProposalNetwork::new(pnet)?,
            refinement: RefinementNetwork::new(rnet)?,
            output: OutputNetwork::new(onet)?,
        })
    }

    /// Faces in photo pixels, best score first.
    pub(super) fn detect(&self, view: &View<'_>, min_score: f32, min_face: f32) -> Result<Vec<Face>, ModelError> {
        let divisor = view.divisor();
        let proposed = self.proposal.propose(view.photo, min_face / divisor)?;
        let refined = self.refinement.refine(view.photo, proposed)?;
        let mut faces = self.output.finish(view.photo, refined, min_score)?;
        if view.reduction() != Reduction::None {
            for face in &mut faces {
                let corner = view.whole_point(Point::new(face.bbox.x, face.bbox.y));
                face.bbox = BoundingBox::new(corner.x, corner.y, face.bbox.width * divisor, face.bbox.height * divisor);
                face.landmarks = face.landmarks.map(|point| view.whole_point(point));
            }
        }
        Ok(faces)
    }
}

/// The most that a photo may be reduced so that the smallest face still fills what the last network looks at.
pub(super) fn reduction(size: (u32, u32), min_face: f32) -> Reduction {
    let smallest = proposal::smallest_face(size, min_face);
    Reduction::most(|reduction| smallest >= (refinement::ONET_SIDE * reduction.divisor()) as f32)
}

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
use crate::photo::Photo;
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
    pub(super) fn detect(&self, photo: &Photo, min_score: f32, min_face: f32) -> Result<Vec<Face>, ModelError> {
        let proposed = self.proposal.propose(photo, min_face)?;
        let refined = self.refinement.refine(photo, proposed)?;
        self.output.finish(photo, refined, min_score)
    }
}

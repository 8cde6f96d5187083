//! Photo → faces: box, five landmarks, score.

mod letterbox;
mod mtcnn;
mod nms;
mod scrfd;
mod turned;
mod yunet;

use serde::{Deserialize, Serialize};

pub use mtcnn::Mtcnn;
pub use nms::{Overlap, non_maximum_suppression};
pub use scrfd::Scrfd;
pub use yunet::Yunet;

use crate::model::{Decoder, ModelError, Pack};
use crate::photo::{Reduction, View, dark};
use crate::{BoundingBox, Point};

/// Five points in photo pixels, image-left first: left eye, right eye, nose tip, left mouth corner,
/// right mouth corner.
pub type Landmarks = [Point; 5];

/// A detected face, in photo pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Face {
    /// Where the face is; may reach beyond the photo.
    pub bbox: BoundingBox,
    /// Detector's confidence, 0…1.
    pub score: f32,
    /// Eyes, nose tip and mouth corners.
    pub landmarks: Landmarks,
}

/// Which faces to look for.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectOptions {
    /// Smallest face side worth finding, in photo pixels. On photos so large that this would make the
    /// detector's input larger than its own limit, the smallest face found grows with the photo.
    pub min_face: f32,
    /// Faces below this confidence are dropped; `None` for the pack's own.
    pub min_score: Option<f32>,
    /// Most faces kept of one photo, the largest first.
    pub max_faces: usize,
    /// Whether photos are looked at on either side and upside down as well, which takes four times as long, and the faces
    /// are those of the way in which the detector is surest of them. Boxes are of the photo as it is; landmarks are in the
    /// order of the upright face, so that faces are recognised.
    pub try_turned: bool,
}

impl Default for DetectOptions {
    /// 40 pixels, the pack's score, 512 faces, the photo as it is.
    fn default() -> Self {
        Self { min_face: 40.0, min_score: None, max_faces: 512, try_turned: false }
    }
}

/// A detector of one of the supported kinds.
#[derive(Debug)]
pub enum Detector {
    /// The MTCNN cascade.
    Mtcnn(Box<Mtcnn>),
    /// SCRFD.
    Scrfd(Box<Scrfd>),
    /// YuNet.
    Yunet(Box<Yunet>),
}

impl Detector {
    /// Loads the detector of `pack`.
    pub fn new(pack: &Pack) -> Result<Self, ModelError> {
        let mut networks = pack.detector_networks()?.into_iter();
        let mut next = || networks.next().expect("the manifest's check counts the networks of a detector");
        Ok(match pack.entry().detector.decoder {
            Decoder::Mtcnn => Self::Mtcnn(Box::new(Mtcnn::new(next(), next(), next())?)),
            Decoder::Scrfd => Self::Scrfd(Box::new(Scrfd::new(next())?)),
            Decoder::Yunet => Self::Yunet(Box::new(Yunet::new(next())?)),
        })
    }

    /// The faces of `photo` with at least `min_score`, largest first. A dark photo is looked at as if it had more light.
    pub fn detect<'a>(
        &self,
        photo: impl Into<View<'a>>,
        min_score: f32,
        options: &DetectOptions,
    ) -> Result<Vec<Face>, ModelError> {
        let view = photo.into();
        let lightened = dark::lightened(view.photo).map(|photo| view.with(photo));
        let view = lightened.as_ref().map_or(view, View::from);
        let find = |view: &View<'_>| self.find(view, min_score, options);
        let mut faces = if options.try_turned { turned::detect(&view, find)? } else { find(&view)? };
        faces.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
        faces.truncate(options.max_faces);
        Ok(faces)
    }

    /// The faces of a photo as it is.
    fn find(&self, view: &View<'_>, min_score: f32, options: &DetectOptions) -> Result<Vec<Face>, ModelError> {
        let mut faces = match self {
            Self::Mtcnn(mtcnn) => mtcnn.detect(view, min_score, options.min_face)?,
            Self::Scrfd(scrfd) => scrfd.detect(view, min_score, options.min_face)?,
            Self::Yunet(yunet) => yunet.detect(view, min_score, options.min_face)?,
        };
        faces.retain(|face| is_finite(face) && face.bbox.width.max(face.bbox.height) >= options.min_face);
        Ok(faces)
    }

    /// The most that a photo of `width × height` pixels may be reduced without showing the detector less.
    pub fn reduction(&self, width: u32, height: u32, options: &DetectOptions) -> Reduction {
        match self {
            Self::Mtcnn(_) => mtcnn::reduction((width, height), options.min_face),
            Self::Scrfd(scrfd) => scrfd.reduction((width, height), options.min_face),
            Self::Yunet(yunet) => yunet.reduction((width, height), options.min_face),
        }
    }
}

/// Networks can answer with infinities on pixels they were never meant for.
fn is_finite(face: &Face) -> bool {
    let numbers: [f32; 4] = face.bbox.into();
    numbers.into_iter().chain(face.landmarks.iter().flat_map(|p| [p.x, p.y])).all(f32::is_finite)
}

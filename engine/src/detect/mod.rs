//! Photo → faces: box, five landmarks, score.

use serde::{Deserialize, Serialize};

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
    /// Smallest face side worth finding, in photo pixels.
    pub min_face: f32,
    /// Faces below this confidence are dropped; `None` for the pack's own.
    pub min_score: Option<f32>,
    /// Most faces kept of one photo, the largest first.
    pub max_faces: usize,
}

impl Default for DetectOptions {
    /// 40 pixels, the pack's score, 512 faces.
    fn default() -> Self {
        Self { min_face: 40.0, min_score: None, max_faces: 512 }
    }
}

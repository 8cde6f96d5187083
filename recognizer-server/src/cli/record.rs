//! The JSON form of what is said of a photo.

use std::path::Path;

use facerecog_engine::BoundingBox;
use facerecog_engine::detect::{Face, Landmarks};
use facerecog_engine::model::ModelError;
use facerecog_engine::photo::PhotoError;
use facerecog_engine::quality::{FaceQuality, QualityFactors};
use facerecog_engine::recognizer::{IdentifyError, Match};
use serde::Serialize;

/// What is said of one photo.
#[derive(Debug, Serialize)]
pub(crate) struct PhotoRecord {
    /// The path as it was asked for.
    pub(crate) photo: String,
    /// Pixels, upright; null when the photo could not be read.
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
    /// `identify` only: the known photo, or `not_found`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image_name: Option<String>,
    /// Largest first.
    pub(crate) faces: Vec<FaceRecord>,
    pub(crate) error: Option<ErrorRecord>,
}

/// What is said of one face.
#[derive(Debug, Serialize)]
pub(crate) struct FaceRecord {
    pub(crate) bbox: BoundingBox,
    /// Null for a crop that was given as a face and not found by the detector.
    pub(crate) score: Option<f32>,
    pub(crate) landmarks: Option<Landmarks>,
    /// 0…1; null, as its factors are, for a crop.
    pub(crate) quality: Option<f32>,
    pub(crate) quality_factors: Option<QualityFactors>,
    /// `identify` only: the person, or null.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub(crate) matched: Option<Option<MatchRecord>>,
    /// `embed` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) embedding: Option<Vec<f32>>,
}

/// A known photo that a face is like.
#[derive(Debug, Serialize)]
pub(crate) struct MatchRecord {
    pub(crate) image_name: String,
    pub(crate) person: String,
    pub(crate) similarity: f32,
    pub(crate) distance: f32,
    pub(crate) probability: f32,
}

/// Why a photo has no answer.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorRecord {
    /// Stable, for programs.
    pub(crate) code: String,
    /// For people; names the file.
    pub(crate) message: String,
}

impl PhotoRecord {
    pub(crate) fn answered(path: &Path, (width, height): (u32, u32), faces: Vec<FaceRecord>) -> Self {
        Self {
            photo: path.to_string_lossy().into_owned(),
            width: Some(width),
            height: Some(height),
            image_name: None,
            faces,
            error: None,
        }
    }

    pub(crate) fn failed(path: &Path, error: ErrorRecord) -> Self {
        Self {
            photo: path.to_string_lossy().into_owned(),
            width: None,
            height: None,
            image_name: None,
            faces: Vec::new(),
            error: Some(error),
        }
    }
}

impl FaceRecord {
    pub(crate) fn new(face: &Face, quality: FaceQuality) -> Self {
        Self {
            bbox: face.bbox,
            score: Some(face.score),
            landmarks: Some(face.landmarks),
            quality: Some(quality.score),
            quality_factors: Some(quality.factors),
            matched: None,
            embedding: None,
        }
    }

    /// `34,50 120×131`: the top-left corner and the size in whole pixels.
    pub(crate) fn place(&self) -> String {
        let BoundingBox { x, y, width, height } = self.bbox;
        format!("{x:.0},{y:.0} {width:.0}×{height:.0}")
    }
}

impl From<&Match> for MatchRecord {
    fn from(matched: &Match) -> Self {
        Self {
            image_name: matched.image_name.clone(),
            person: matched.person.clone(),
            similarity: matched.similarity,
            distance: matched.distance,
            probability: matched.probability,
        }
    }
}

impl From<PhotoError> for ErrorRecord {
    fn from(error: PhotoError) -> Self {
        Self { code: error.kind.code().into(), message: error.to_string() }
    }
}

impl From<ModelError> for ErrorRecord {
    fn from(error: ModelError) -> Self {
        Self { code: "model".into(), message: error.to_string() }
    }
}

impl From<IdentifyError> for ErrorRecord {
    fn from(error: IdentifyError) -> Self {
        let code = match &error {
            IdentifyError::Model(_) => "model",
            IdentifyError::Gallery(_) => "gallery",
        };
        Self { code: code.into(), message: error.to_string() }
    }
}

//! Photo + landmarks → the aligned crop an embedder was trained on.

mod shape_predictor;
mod similarity;
mod warp;

use serde::Deserialize;

pub use shape_predictor::ShapePredictor;
pub use similarity::SimilarityTransform;
pub use warp::warp;

use crate::Point;
use crate::photo::{Photo, View};

/// Where the distances between landmarks and template are measured, the sum of whose squares is the least.
///
/// Landmarks never fit exactly, and then both differ in scale: the worse they fit, the smaller is the side that is
/// carried onto the other. Embedders were trained on crops of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// In the crop: the photo is carried onto it, as InsightFace (ArcFace) and OpenCV's `alignCrop` do.
    #[default]
    Crop,
    /// In the photo: the crop is carried onto it, as dlib's `get_face_chip_details` does.
    Photo,
}

impl Fit {
    /// The transform from a crop's pixels to a photo's in which `template` and `landmarks` lie nearest to each other.
    pub fn crop_to_photo<const N: usize>(self, template: &[Point; N], landmarks: &[Point; N]) -> SimilarityTransform {
        match self {
            Self::Crop => SimilarityTransform::estimate(landmarks, template).inverse(),
            Self::Photo => SimilarityTransform::estimate(template, landmarks),
        }
    }
}

/// The square crop of `photo`, `side` pixels wide, in which `landmarks` lie as near as a turn, a
/// scale and a shift can bring them to `template` (pixels of the crop). Black beyond the photo.
///
/// `landmarks` are in pixels of the whole photo, whatever was decoded of it.
pub fn align<'a, const N: usize>(
    photo: impl Into<View<'a>>,
    landmarks: &[Point; N],
    template: &[Point; N],
    fit: Fit,
    side: u32,
) -> Photo {
    let view = photo.into();
    let (scale, shift) = view.scale_and_shift();
    // The transform is taken from crop to photo: that is the direction in which pixels are looked up.
    let to_photo = fit.crop_to_photo(template, landmarks);
    warp(view.photo, &to_photo.then(scale, shift.x, shift.y), side)
}

//! Photo + landmarks → the aligned crop an embedder was trained on.

mod similarity;
mod warp;

pub use similarity::SimilarityTransform;
pub use warp::warp;

use crate::detect::Landmarks;
use crate::photo::Photo;

/// The square crop of `photo`, `side` pixels wide, in which `landmarks` lie as near as a turn, a
/// scale and a shift can bring them to `template` (pixels of the crop). Black beyond the photo.
pub fn align(photo: &Photo, landmarks: &Landmarks, template: &Landmarks, side: u32) -> Photo {
    // The transform is taken from crop to photo: that is the direction in which pixels are looked up.
    warp(photo, &SimilarityTransform::estimate(template, landmarks), side)
}

//! Photo + landmarks → the aligned crop an embedder was trained on.

mod similarity;
mod warp;

pub use similarity::SimilarityTransform;
pub use warp::warp;

use crate::detect::Landmarks;
use crate::photo::{Photo, View};

/// The square crop of `photo`, `side` pixels wide, in which `landmarks` lie as near as a turn, a
/// scale and a shift can bring them to `template` (pixels of the crop). Black beyond the photo.
///
/// `landmarks` are in pixels of the whole photo, whatever was decoded of it.
pub fn align<'a>(photo: impl Into<View<'a>>, landmarks: &Landmarks, template: &Landmarks, side: u32) -> Photo {
    let view = photo.into();
    let (scale, shift) = view.scale_and_shift();
    // The transform is taken from crop to photo: that is the direction in which pixels are looked up.
    let to_photo = SimilarityTransform::estimate(template, landmarks);
    warp(view.photo, &to_photo.then(scale, shift.x, shift.y), side)
}

//! What is measured of a face.

use serde::{Deserialize, Serialize};

use super::plane::{Plane, Region};
use super::{exposure, pose, sharpness};
use crate::detect::{Face, Landmarks};
use crate::photo::Photo;

/// What is measured of a face. Pixels are measured on the part of the aligned crop that shows it, as luma of 0…255, so
/// that they are those which the embedder looks at; a crop is of one size, however large the face is on the photo.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FaceMeasurements {
    /// The detector's score, 0…1.
    pub detector_score: f32,
    /// Distance of the eyes in pixels of the whole photo.
    pub eye_distance: f32,
    /// The same in pixels of the crop: more than on the photo where the crop was enlarged.
    pub crop_eye_distance: f32,
    /// Natural logarithm of the variance of the Laplacian over the variance of luma, both of blocks that are an 18th of
    /// the distance of the eyes: about −0.4 for press photos, below −3 when strongly blurred.
    pub sharpness: f32,
    /// Natural logarithm of the variance of the Laplacian of these blocks over that of the pixels, where noise is
    /// strongest: 1.7 for press photos in a crop of 112 pixels, 3 in one of 150; below 0 where most is noise.
    pub signal_to_noise: f32,
    /// Shannon entropy of the histogram of luma, in bits, 0…8: the *dynamic range* of ISO/IEC 29794-5. About 7 for
    /// press photos, below 4 for a face that is all dark or all white.
    pub dynamic_range: f32,
    /// Share of pixels with a luma above 239, 0…1.
    pub overexposed: f32,
    /// Distance from the middle of the eyes to the middle of the mouth, in distances of the eyes: about 1.1 from the
    /// front. A face that turns to a side by an angle has it grow by 1 over the cosine.
    pub face_length: f32,
    /// How far down the nose tip is on the way from the eyes to the mouth, 0 at the eyes: about 0.55 from the front,
    /// less for a face that is turned up.
    pub nose_height: f32,
}

impl FaceMeasurements {
    /// Measures a face and its aligned crop, whose landmarks lie as in `template`.
    pub fn new(face: &Face, crop: &Photo, template: &Landmarks) -> Self {
        let luma = Plane::luma(crop);
        let region = Region::of_face(template, crop.width().min(crop.height()) as usize);
        let (sharpness, signal_to_noise) = sharpness::sharpness(&luma, &region, template);
        let (dynamic_range, overexposed) = exposure::exposure(&luma, &region);
        let (face_length, nose_height) = pose::pose(&face.landmarks);
        Self {
            detector_score: face.score,
            eye_distance: face.landmarks[0].distance(face.landmarks[1]),
            crop_eye_distance: template[0].distance(template[1]),
            sharpness,
            signal_to_noise,
            dynamic_range,
            overexposed,
            face_length,
            nose_height,
        }
    }
}

//! Face + its aligned crop → how well the face can be recognised.
//!
//! What is seen of a face is measured ([`FaceMeasurements`]), each number is turned into a factor of 0…1, 1 for a face
//! that lacks nothing, and their product is the quality ([`FaceQuality`]). Measured on one crop of 112 or 150 pixels,
//! which the embedder needs anyway, it takes a small part of the time that embedding takes.

mod exposure;
mod factor;
mod fault;
mod measurements;
mod plane;
mod pose;
mod sharpness;

use serde::Serialize;

use self::factor::{Scale, factor};
pub use self::fault::Fault;
pub use self::measurements::FaceMeasurements;
use crate::model::Decoder;

/// How well a face can be recognised, and what it lacks.
///
/// The odds that the person is recognised are the odds for a face that lacks nothing times `score`, as measured for pairs of
/// photos of which this is the worse one; docs/accuracy.md has the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceQuality {
    /// The quality of the face, 0…1: the product of the factors.
    pub score: f32,
    /// What each kind of fault does to it.
    pub factors: QualityFactors,
    /// What the factors come from.
    pub measured: FaceMeasurements,
}

/// What the odds that a face is recognised are multiplied by for each kind of fault: 0…1, 1 without the fault.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QualityFactors {
    /// How sure the detector is of the face, as far as its score tells of recognition.
    pub detector: f32,
    /// Less for a face that is blurred, or was enlarged because it is small.
    pub sharpness: f32,
    /// Less the more of what is seen is noise, of a dark photo or of strong compression.
    pub noise: f32,
    /// Less for a face that is so bright that parts are white, or so dark that few shades are left.
    pub exposure: f32,
    /// Less for a face that is turned to a side or up.
    pub pose: f32,
}

// Where each measurement begins to lower the odds and where it stops to lower them are read off the curves of both packs,
// by eye. The weights are those of models/quality/fit.py: logistic regression on pairs of one person of every second
// person of LFW-dev, as they come and made worse by models/quality/degrade.py, and whether the default decision for one
// comparison misses them; both packs at once, the worse photo of each pair, no weight below 0.
const YUNET: Scale = Scale { good: 0.94, bad: 0.87, weight: 3.89 };
const MTCNN: Scale = Scale { good: 1.0, bad: 0.99, weight: 1.05 };
const SHARPNESS: Scale = Scale { good: -0.35, bad: -3.7, weight: 4.15 };
const NOISE: Scale = Scale { good: 1.5, bad: -0.2, weight: 1.75 };
const DYNAMIC_RANGE: Scale = Scale { good: 4.0, bad: 2.5, weight: 1.17 };
const OVEREXPOSED: Scale = Scale { good: 0.0, bad: 0.75, weight: 1.17 };
const LENGTH: Scale = Scale { good: 1.2, bad: 1.65, weight: 0.36 };
const NOSE: Scale = Scale { good: 0.46, bad: 0.21, weight: 0.87 };

impl FaceQuality {
    /// Judges what was measured of a face that was found by a detector of this kind.
    pub fn new(measured: FaceMeasurements, decoder: Decoder) -> Self {
        let m = &measured;
        let detector_loss = match decoder {
            Decoder::Yunet => YUNET.loss(m.detector_score),
            Decoder::Mtcnn => MTCNN.loss(m.detector_score),
            // What its scores tell was not measured.
            Decoder::Scrfd => 0.0,
        };
        let factors = QualityFactors {
            detector: factor(detector_loss),
            sharpness: factor(SHARPNESS.loss(m.sharpness)),
            noise: factor(NOISE.loss(m.signal_to_noise)),
            exposure: factor(DYNAMIC_RANGE.loss(m.dynamic_range).max(OVEREXPOSED.loss(m.overexposed))),
            pose: factor(LENGTH.loss(m.face_length) + NOSE.loss(m.nose_height)),
        };
        let QualityFactors { detector, sharpness, noise, exposure, pose } = factors;
        Self { score: detector * sharpness * noise * exposure * pose, factors, measured }
    }

    /// What lowers the quality most; `None` when nothing does.
    pub fn worst_fault(&self) -> Option<Fault> {
        Fault::worst_of(self)
    }
}

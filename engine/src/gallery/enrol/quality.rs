//! Photos whose face is hard to recognise.

use crate::quality::Fault;

/// Code of a photo whose face has little quality.
pub(super) const LOW_QUALITY: &str = "low_quality";

/// How good a face has to be, as qualities of 0…1, see [`FaceQuality::score`](crate::quality::FaceQuality::score).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityCheck {
    /// Below it a photo is in the gallery with a warning.
    pub warn_below: f32,
    /// Below it a photo is left out. It is looked at again by the next enrolment, which may ask for less.
    pub least: f32,
}

impl Default for QualityCheck {
    /// Warns below 0.1, which is the quality of at most 2 of 100 press photos, and leaves nothing out.
    fn default() -> Self {
        Self { warn_below: 0.1, least: 0.0 }
    }
}

impl QualityCheck {
    /// Whether a face is left out.
    pub(super) fn rejects(&self, quality: f32) -> bool {
        quality < self.least
    }

    /// Whether a face that is not left out is warned of.
    pub(super) fn warns(&self, quality: f32) -> bool {
        quality < self.warn_below
    }
}

/// What is said of such a face; the fault is known only of one that was just embedded.
pub(super) fn describe(quality: f32, fault: Option<Fault>) -> String {
    match fault {
        Some(fault) => format!("{fault}: quality {quality:.2}"),
        None => format!("its face is hard to recognise: quality {quality:.2}"),
    }
}

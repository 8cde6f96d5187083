//! What lowers the quality of a face, in words.

use std::fmt;

use super::FaceQuality;

/// What a face lacks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The detector is not sure of it.
    Doubtful,
    /// It has little detail, though pixels enough.
    Blurred,
    /// It has little detail, and too few pixels for more.
    Small {
        /// Distance of the eyes on the photo, in pixels.
        eye_distance: f32,
    },
    /// Much of what is seen is noise.
    Noisy,
    /// Few shades are left of it.
    Dark,
    /// Parts are white.
    Overexposed,
    /// It does not look into the camera.
    Turned,
}

/// How much a crop may enlarge a face before that is what blurs it.
const MOST_ENLARGED: f32 = 1.5;

impl Fault {
    /// What belongs to the smallest factor; `None` when all are 1.
    pub(super) fn worst_of(quality: &FaceQuality) -> Option<Self> {
        let (measured, factors) = (&quality.measured, &quality.factors);
        let blurred = if measured.crop_eye_distance > MOST_ENLARGED * measured.eye_distance {
            Self::Small { eye_distance: measured.eye_distance }
        } else {
            Self::Blurred
        };
        let exposed = if measured.overexposed > 0.0 { Self::Overexposed } else { Self::Dark };
        let faults = [
            (factors.sharpness, blurred),
            (factors.noise, Self::Noisy),
            (factors.exposure, exposed),
            (factors.pose, Self::Turned),
            // Last: of equals the one that can be seen.
            (factors.detector, Self::Doubtful),
        ];
        let worst = faults.into_iter().min_by(|(a, _), (b, _)| a.total_cmp(b));
        worst.filter(|(factor, _)| *factor < 1.0).map(|(_, fault)| fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Doubtful => write!(f, "the detector is not sure of the face"),
            Self::Blurred => write!(f, "the face is blurred"),
            Self::Small { eye_distance } => write!(f, "the face is {eye_distance:.0} pixels between the eyes"),
            Self::Noisy => write!(f, "the face is noisy, as in dark or strongly compressed photos"),
            Self::Dark => write!(f, "the face is too dark"),
            Self::Overexposed => write!(f, "the face is overexposed"),
            Self::Turned => write!(f, "the face is turned away"),
        }
    }
}

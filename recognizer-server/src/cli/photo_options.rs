//! Which faces to look for, and how much a photo may cost.

use clap::Args;
use facerecog_engine::detect::DetectOptions;
use facerecog_engine::gallery::EnrolLimits;
use facerecog_engine::photo::Limits;

/// Options of every command that reads photos.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Photo options")]
pub(crate) struct PhotoOptions {
    /// Smallest face to look for, in pixels; smaller ones cost more time
    #[arg(long, value_name = "PIXELS", default_value_t = 40.0, value_parser = positive)]
    min_face: f32,
    /// Least confidence of a face, 0 to 1 [default: the pack's]
    #[arg(long, value_name = "SCORE", value_parser = fraction)]
    min_score: Option<f32>,
    /// Most faces of one photo, the largest first
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_faces: usize,
    /// Look at photos on either side and upside down as well, for those that do not say how the camera was held: four
    /// times the time
    #[arg(long)]
    try_turned: bool,
    /// Largest photo file
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    max_file_mib: u64,
    /// Largest photo, in millions of pixels
    #[arg(long, value_name = "MP", default_value_t = 100)]
    max_megapixels: u64,
    /// Most memory to decode one photo
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    max_decode_mib: u64,
}

impl PhotoOptions {
    pub(crate) fn detect(&self) -> DetectOptions {
        DetectOptions {
            min_face: self.min_face,
            min_score: self.min_score,
            max_faces: self.max_faces,
            try_turned: self.try_turned,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_file_bytes: self.max_file_mib.saturating_mul(1 << 20),
            max_pixels: self.max_megapixels.saturating_mul(1_000_000),
            max_decode_bytes: self.max_decode_mib.saturating_mul(1 << 20),
            ..Limits::default()
        }
    }

    pub(crate) fn enrol_limits(&self) -> EnrolLimits {
        EnrolLimits { photo: self.limits(), ..EnrolLimits::default() }
    }
}

fn positive(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 1.0 => Ok(value),
        _ => Err("a number of pixels, at least 1".into()),
    }
}

/// A part of a whole.
pub(super) fn fraction(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("a number from 0 to 1".into()),
    }
}

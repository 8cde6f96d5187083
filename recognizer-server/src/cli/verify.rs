//! `recognizer verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::{Comparison, EmbeddedFace, Recognizer};
use serde::Serialize;

use super::Outcome;
use super::decision_options::DecisionOptions;
use super::error::CliError;
use super::photo_options::PhotoOptions;
use super::session::Session;

/// Tell whether two photos show the same person
///
/// The largest face of each photo is compared.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  recognizer verify passport.jpg selfie.jpg")]
pub(crate) struct Verify {
    /// One photo
    a: PathBuf,
    /// The other
    b: PathBuf,
    #[command(flatten)]
    decision: DecisionOptions,
    #[command(flatten)]
    photo: PhotoOptions,
}

#[derive(Serialize)]
struct VerifyRecord {
    same: bool,
    similarity: f32,
    distance: f32,
    probability: f32,
    threshold: f32,
    /// Of the face on each photo.
    quality: [f32; 2],
}

impl Verify {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let recognizer = session.recognizer(self.photo.detect())?;
        let limits = self.photo.limits();
        let embed = |path: &Path| largest_face(&recognizer, path, &limits);
        let (a, b) = rayon::join(|| embed(&self.a), || embed(&self.b));
        let threshold = self.decision.for_search(recognizer.pack(), 1)?.threshold;
        let (a, b) = (a?, b?);
        let Comparison { similarity, distance, probability, .. } = recognizer.compare(&a.embedding, &b.embedding);
        let (same, quality) = (distance < threshold, [a.quality.score, b.quality.score]);
        let record = VerifyRecord { same, similarity, distance, probability, threshold, quality };
        session.output.answer(&record, || describe(&record))?;
        Ok(Outcome::Complete)
    }
}

fn largest_face(recognizer: &Recognizer, path: &Path, limits: &Limits) -> Result<EmbeddedFace, CliError> {
    let photo = Photo::open(path, limits)?;
    let faces = recognizer.detect(&photo)?;
    match faces.first() {
        Some(face) => Ok(recognizer.embed(&photo, face)?),
        None => Err(CliError::Failed(format!("{}: no face found; try a smaller --min-face", path.display()))),
    }
}

fn describe(record: &VerifyRecord) -> String {
    format!(
        "{}: distance {:.3} (threshold {:.3}), similarity {:.3}, probability {:.1} %, quality {:.2} and {:.2}",
        if record.same { "same person" } else { "different people" },
        record.distance,
        record.threshold,
        record.similarity,
        record.probability * 100.0,
        record.quality[0],
        record.quality[1]
    )
}

//! `recognizer eval`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use facerecog_engine::detect::Face;
use facerecog_engine::embed::Embedding;
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::Recognizer;
use serde::Serialize;

use super::error::CliError;
use super::in_order::for_each_in_order;
use super::photo_options::PhotoOptions;
use super::session::Session;
use super::{Outcome, progress, table};
use crate::eval::{
    FoldAccuracy, MetricsError, Pair, PairsError, ScoredPair, equal_error_rate, fold_accuracy, read_pairs, tar_at_far,
};

/// Measure how well the pack recognises people
#[derive(Debug, Args)]
pub(crate) struct Eval {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Verification(Verification),
}

/// Same person or not: accuracy, TAR at FAR and EER over pairs of photos
///
/// The lists are CSV files with the columns fold,same,image_a,image_b; several are taken as one. Every
/// photo is embedded once, by the face nearest its centre; where no face is found the middle of the
/// photo is taken, and counted. Accuracy is the mean over the folds, each tested at the threshold
/// that is best on all others.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  recognizer eval verification pairsDevTrain.csv pairsDevTest.csv --root lfw --pack fast")]
struct Verification {
    /// Lists of pairs
    #[arg(required = true, value_name = "PAIRS.csv")]
    pairs: Vec<PathBuf>,
    /// Folder that the lists' paths are relative to [default: the folder of the first list]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Also write every pair's distance and similarity to this CSV file
    #[arg(long, value_name = "OUT.csv")]
    scores: Option<PathBuf>,
    #[command(flatten)]
    photo: PhotoOptions,
}

#[derive(Serialize)]
struct VerificationRecord {
    pack: String,
    precision: &'static str,
    pairs: usize,
    photos: usize,
    photos_without_face: usize,
    accuracy: MeanStd,
    threshold: Mean,
    tar_at_far: TarAtFar,
    eer: f64,
    seconds: f64,
}

#[derive(Serialize)]
struct MeanStd {
    mean: f64,
    std: f64,
}

#[derive(Serialize)]
struct Mean {
    mean: f64,
}

#[derive(Serialize)]
struct TarAtFar {
    #[serde(rename = "1e-2")]
    far_1e_2: f64,
    #[serde(rename = "1e-3")]
    far_1e_3: f64,
}

#[derive(Serialize)]
struct ScoreRow<'a> {
    fold: u32,
    same: u8,
    image_a: &'a Path,
    image_b: &'a Path,
    distance: f32,
    similarity: f32,
}

impl From<PairsError> for CliError {
    fn from(error: PairsError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<MetricsError> for CliError {
    fn from(error: MetricsError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Eval {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        match self.what {
            What::Verification(verification) => verification.run(session),
        }
    }
}

impl Verification {
    fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let started = Instant::now();
        let mut pairs = Vec::new();
        for path in &self.pairs {
            pairs.extend(read_pairs(path)?);
        }
        let root = match &self.root {
            Some(root) => root.clone(),
            None => self.pairs[0].parent().unwrap_or(Path::new("")).to_owned(),
        };
        let recognizer = session.recognizer(self.photo.detect())?;
        let photos = embed_all(&recognizer, &pairs, &root, &self.photo.limits())?;

        let mut scores = self.scores.as_deref().map(open_scores).transpose()?;
        let mut scored = Vec::with_capacity(pairs.len());
        for pair in &pairs {
            let comparison = recognizer
                .compare(&photos[pair.image_a.as_path()].embedding, &photos[pair.image_b.as_path()].embedding);
            scored.push(ScoredPair { fold: pair.fold, same: pair.same, distance: f64::from(comparison.distance) });
            if let Some((path, writer)) = &mut scores {
                let row = ScoreRow {
                    fold: pair.fold,
                    same: pair.same.into(),
                    image_a: &pair.image_a,
                    image_b: &pair.image_b,
                    distance: comparison.distance,
                    similarity: comparison.similarity,
                };
                writer.serialize(row).map_err(|error| scores_failed(path, &error))?;
            }
        }
        if let Some((path, mut writer)) = scores {
            writer.flush().map_err(|error| scores_failed(&path, &error))?;
        }

        let FoldAccuracy { mean, std, threshold } = fold_accuracy(&scored)?;
        let record = VerificationRecord {
            pack: session.pack_name.clone(),
            precision: recognizer.pack().entry().precision.name(),
            pairs: pairs.len(),
            photos: photos.len(),
            photos_without_face: photos.values().filter(|photo| !photo.face_found).count(),
            accuracy: MeanStd { mean, std },
            threshold: Mean { mean: threshold },
            tar_at_far: TarAtFar { far_1e_2: tar_at_far(&scored, 1e-2)?, far_1e_3: tar_at_far(&scored, 1e-3)? },
            eer: equal_error_rate(&scored)?,
            seconds: started.elapsed().as_secs_f64(),
        };
        session.output.answer(&record, || describe(&record))?;
        Ok(Outcome::Complete)
    }
}

struct EmbeddedPhoto {
    embedding: Embedding,
    face_found: bool,
}

/// Embeds every photo of the list once. A photo that cannot be read ends it: an accuracy over fewer
/// pairs than the list has could not be compared with anything.
fn embed_all<'a>(
    recognizer: &Recognizer,
    pairs: &'a [Pair],
    root: &Path,
    limits: &Limits,
) -> Result<HashMap<&'a Path, EmbeddedPhoto>, CliError> {
    let mut photos: Vec<&Path> =
        pairs.iter().flat_map(|pair| [pair.image_a.as_path(), pair.image_b.as_path()]).collect();
    photos.sort_unstable();
    photos.dedup();
    let bar = progress::counting(photos.len() as u64, "embedding");
    let mut embedded = HashMap::with_capacity(photos.len());
    for_each_in_order(
        &photos,
        |&path| (path, embed(recognizer, &root.join(path), limits)),
        |(path, photo): (&'a Path, Result<EmbeddedPhoto, CliError>)| {
            embedded.insert(path, photo?);
            bar.inc(1);
            Ok::<(), CliError>(())
        },
    )?;
    bar.finish_and_clear();
    Ok(embedded)
}

fn embed(recognizer: &Recognizer, path: &Path, limits: &Limits) -> Result<EmbeddedPhoto, CliError> {
    let photo = Photo::open(path, limits)?;
    let faces = recognizer.detect(&photo)?;
    Ok(match nearest_to_center(&photo, &faces) {
        Some(face) => EmbeddedPhoto { embedding: recognizer.embed(&photo, face)?, face_found: true },
        None => EmbeddedPhoto { embedding: recognizer.embed_center_crop(&photo)?, face_found: false },
    })
}

fn nearest_to_center<'a>(photo: &Photo, faces: &'a [Face]) -> Option<&'a Face> {
    let (middle_x, middle_y) = (photo.width() as f32 / 2.0, photo.height() as f32 / 2.0);
    let squared_distance = |face: &Face| {
        let center = face.bbox.center();
        (center.x - middle_x).powi(2) + (center.y - middle_y).powi(2)
    };
    faces.iter().min_by(|a, b| squared_distance(a).total_cmp(&squared_distance(b)))
}

type Scores = (PathBuf, csv::Writer<std::fs::File>);

fn open_scores(path: &Path) -> Result<Scores, CliError> {
    let writer = csv::Writer::from_path(path).map_err(|error| scores_failed(path, &error))?;
    Ok((path.to_owned(), writer))
}

fn scores_failed(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::Failed(format!("{}: could not be written: {error}", path.display()))
}

fn describe(record: &VerificationRecord) -> String {
    let percent = |value: f64| format!("{:.2} %", value * 100.0);
    let rows = [
        ["pack", &record.pack],
        ["precision", record.precision],
        ["pairs", &record.pairs.to_string()],
        ["photos", &format!("{} ({} without a face)", record.photos, record.photos_without_face)],
        ["accuracy", &format!("{} ± {}", percent(record.accuracy.mean), percent(record.accuracy.std))],
        ["threshold", &format!("{:.4}", record.threshold.mean)],
        ["TAR at FAR 1e-2", &percent(record.tar_at_far.far_1e_2)],
        ["TAR at FAR 1e-3", &percent(record.tar_at_far.far_1e_3)],
        ["EER", &percent(record.eer)],
        ["time", &format!("{:.1} s", record.seconds)],
    ];
    table::table(&rows.map(|row| row.map(str::to_owned).to_vec()))
}

#[cfg(test)]
mod tests {
    use facerecog_engine::{BoundingBox, Point};

    use super::*;

    #[test]
    fn the_face_in_the_middle_counts() {
        let photo = Photo::from_rgb(100, 100, vec![0; 30_000]);
        let face =
            |x| Face { bbox: BoundingBox::new(x, 40.0, 20.0, 20.0), score: 1.0, landmarks: [Point::default(); 5] };
        let faces = [face(0.0), face(35.0), face(80.0)];
        assert_eq!(nearest_to_center(&photo, &faces), Some(&faces[1]));
        assert_eq!(nearest_to_center(&photo, &[]), None);
    }
}

//! `recognizer embed`.

use std::path::{Path, PathBuf};

use clap::Args;
use facerecog_engine::BoundingBox;
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::{EmbeddedFace, Recognizer};

use super::Outcome;
use super::error::CliError;
use super::in_order::for_each_in_order;
use super::photo_list::PhotoList;
use super::photo_options::PhotoOptions;
use super::record::{ErrorRecord, FaceRecord, PhotoRecord};
use super::session::Session;

/// Print the embedding of every face
///
/// The numbers are those the pack compares: as the network gives them for a Euclidean pack, scaled to
/// length 1 for a cosine one. Embeddings of different packs cannot be compared.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  recognizer embed --json photo.jpg | jq '.faces[0].embedding'
  recognizer embed --json --chips aligned/*.png")]
pub(crate) struct Embed {
    #[command(flatten)]
    photos: PhotoList,
    /// The photos are aligned crops of one face each: look for no face, embed the whole of each
    #[arg(long)]
    chips: bool,
    #[command(flatten)]
    photo: PhotoOptions,
}

impl Embed {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let photos = self.photos.expand()?;
        let recognizer = session.recognizer(self.photo.detect())?;
        let limits = self.photo.limits();
        let mut any_failed = false;
        for_each_in_order(
            &photos,
            |path: &PathBuf| {
                let record = if self.chips { embed_chip } else { embed_faces };
                record(&recognizer, path, &limits).unwrap_or_else(|error| PhotoRecord::failed(path, error))
            },
            |record| {
                any_failed |= record.error.is_some();
                session.output.answer(&record, || describe(&record))
            },
        )?;
        Ok(Outcome::of(any_failed))
    }
}

fn embed_faces(recognizer: &Recognizer, path: &Path, limits: &Limits) -> Result<PhotoRecord, ErrorRecord> {
    let photo = Photo::open(path, limits)?;
    let faces = recognizer
        .embed_faces(&photo)?
        .into_iter()
        .map(|EmbeddedFace { face, quality, embedding }| FaceRecord {
            embedding: Some(embedding.values().to_vec()),
            ..FaceRecord::new(&face, quality)
        })
        .collect();
    Ok(PhotoRecord::answered(path, (photo.width(), photo.height()), faces))
}

fn embed_chip(recognizer: &Recognizer, path: &Path, limits: &Limits) -> Result<PhotoRecord, ErrorRecord> {
    let chip = Photo::open(path, limits)?;
    let embedding = recognizer.embed_chip(&chip)?;
    let face = FaceRecord {
        bbox: BoundingBox::new(0.0, 0.0, chip.width() as f32, chip.height() as f32),
        score: None,
        landmarks: None,
        quality: None,
        quality_factors: None,
        matched: None,
        embedding: Some(embedding.values().to_vec()),
    };
    Ok(PhotoRecord::answered(path, (chip.width(), chip.height()), vec![face]))
}

fn describe(record: &PhotoRecord) -> String {
    if let Some(error) = &record.error {
        return format!("{}: failed: {}", record.photo, error.message);
    }
    if record.faces.is_empty() {
        return format!("{}: no face", record.photo);
    }
    let lines = record.faces.iter().map(|face| {
        let numbers: Vec<String> = face.embedding.iter().flatten().map(|value| format!("{value:.6}")).collect();
        format!("{}: face at {}: {}", record.photo, face.place(), numbers.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

//! `recognizer call recognize`.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::photo::{Photos, Sending, failure};
use super::{CliError, Client, Outcome, Output};
use crate::cli::ErrorRecord;
use crate::grpc::proto;

/// Find every face of photos and the known people each is like
#[derive(Debug, Args)]
pub(super) struct Recognize {
    #[command(flatten)]
    photos: Photos,
    #[command(flatten)]
    sending: Sending,
    /// Known people named for each face, nearest first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    top_k: u32,
    /// Smallest face, in pixels [default: the server's]
    #[arg(long, value_name = "PIXELS")]
    min_face: Option<f32>,
    /// Least similarity of a match, -1 to 1 [default: the decision of the server's models]
    #[arg(long, value_name = "SIMILARITY", allow_negative_numbers = true)]
    min_similarity: Option<f32>,
    /// Answer the embedding of each face
    #[arg(long)]
    embeddings: bool,
}

/// What is said of one photo.
#[derive(Serialize)]
struct PhotoRecord {
    photo: String,
    width: Option<u32>,
    height: Option<u32>,
    generation: Option<u64>,
    faces: Vec<FaceRecord>,
    error: Option<ErrorRecord>,
}

#[derive(Serialize)]
pub(super) struct FaceRecord {
    bbox: [f32; 4],
    score: f32,
    quality: f32,
    landmarks: Vec<[f32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<Vec<MatchRecord>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    embedding: Vec<f32>,
}

#[derive(Serialize)]
struct MatchRecord {
    image_name: String,
    person: String,
    similarity: f32,
    distance: f32,
    probability: f32,
}

impl FaceRecord {
    pub(super) fn new(face: proto::Face) -> Self {
        let proto::BoundingBox { x, y, width, height } = face.bounding_box.unwrap_or_default();
        Self {
            bbox: [x, y, width, height],
            score: face.score,
            quality: face.quality,
            landmarks: face.landmarks.iter().map(|point| [point.x, point.y]).collect(),
            matches: None,
            embedding: Vec::new(),
        }
    }

    fn recognized(face: proto::RecognizedFace) -> Self {
        let matches = face.matches.into_iter().map(|known| MatchRecord {
            image_name: known.image_name,
            person: known.person,
            similarity: known.similarity,
            distance: known.distance,
            probability: known.probability,
        });
        Self { matches: Some(matches.collect()), embedding: face.embedding, ..Self::new(face.face.unwrap_or_default()) }
    }

    /// `34,50 120×131`: the top-left corner and the size in whole pixels.
    pub(super) fn place(&self) -> String {
        let [x, y, width, height] = self.bbox;
        format!("{x:.0},{y:.0} {width:.0}×{height:.0}")
    }
}

impl Recognize {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<Outcome, CliError> {
        let options = proto::RecognizeOptions {
            top_k: self.top_k,
            min_face: self.min_face.unwrap_or(0.0),
            min_similarity: self.min_similarity,
            include_embeddings: self.embeddings,
        };
        let mut recognizer = client.recognizer();
        let mut any_failed = false;
        for path in &self.photos.photos {
            let request = proto::RecognizeRequest { photo: Some(self.sending.photo(path)?), options: Some(options) };
            let record = match recognizer.recognize(request).await {
                Ok(response) => answered(path, response.into_inner()),
                Err(status) => failed(path, failure(&status)),
            };
            any_failed |= record.error.is_some();
            output.answer(&record, || describe(&record))?;
        }
        Ok(Outcome::of(any_failed))
    }
}

fn answered(path: &Path, response: proto::RecognizeResponse) -> PhotoRecord {
    PhotoRecord {
        photo: path.to_string_lossy().into_owned(),
        width: Some(response.width),
        height: Some(response.height),
        generation: Some(response.generation),
        faces: response.faces.into_iter().map(FaceRecord::recognized).collect(),
        error: None,
    }
}

fn failed(path: &Path, error: ErrorRecord) -> PhotoRecord {
    PhotoRecord {
        photo: path.to_string_lossy().into_owned(),
        width: None,
        height: None,
        generation: None,
        faces: Vec::new(),
        error: Some(error),
    }
}

fn describe(record: &PhotoRecord) -> String {
    if let Some(error) = &record.error {
        return format!("{}: failed: {}", record.photo, error.message);
    }
    if record.faces.is_empty() {
        return format!("{}: no face", record.photo);
    }
    let lines = record.faces.iter().map(|face| {
        let known = face
            .matches
            .iter()
            .flatten()
            .map(|known| format!("{} ({}, {:.1} %)", known.person, known.image_name, known.probability * 100.0));
        let known: Vec<String> = known.collect();
        let known = if known.is_empty() { "nobody known".to_owned() } else { known.join(", ") };
        format!("{}: face at {}: {known}", record.photo, face.place())
    });
    lines.collect::<Vec<_>>().join("\n")
}

//! `recognizer detect`.

use std::path::{Path, PathBuf};

use clap::Args;
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::Recognizer;

use super::Outcome;
use super::error::CliError;
use super::in_order::for_each_in_order;
use super::photo_list::PhotoList;
use super::photo_options::PhotoOptions;
use super::record::{ErrorRecord, FaceRecord, PhotoRecord};
use super::session::Session;
use crate::draw::{Annotation, Pictures};

/// Find the faces of photos: box, five landmarks, score
///
/// Coordinates are pixels of the upright photo. Landmarks are the eyes, the nose tip and the corners
/// of the mouth, image-left before image-right.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  recognizer detect group.jpg --draw group-faces.png
  recognizer detect --json --min-face 20 photos/")]
pub(crate) struct Detect {
    #[command(flatten)]
    photos: PhotoList,
    /// Paint boxes and landmarks: a .png for one photo, or a folder for any number
    #[arg(long, value_name = "OUT")]
    draw: Option<PathBuf>,
    #[command(flatten)]
    photo: PhotoOptions,
}

impl Detect {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let photos = self.photos.expand()?;
        let pictures = self.draw.as_deref().map(|out| Pictures::plan(out, &photos)).transpose()?;
        let recognizer = session.recognizer(self.photo.detect())?;
        let limits = self.photo.limits();
        let mut any_failed = false;
        let items: Vec<(usize, &PathBuf)> = photos.iter().enumerate().collect();
        for_each_in_order(
            &items,
            |&(index, path)| {
                let picture = pictures.as_ref().map(|pictures| pictures.of(index));
                detect(&recognizer, path, &limits, picture).unwrap_or_else(|error| PhotoRecord::failed(path, error))
            },
            |record| {
                any_failed |= record.error.is_some();
                session.output.answer(&record, || describe(&record))
            },
        )?;
        Ok(Outcome::of(any_failed))
    }
}

fn detect(
    recognizer: &Recognizer,
    path: &Path,
    limits: &Limits,
    picture: Option<&Path>,
) -> Result<PhotoRecord, ErrorRecord> {
    let photo = Photo::open(path, limits)?;
    let faces = recognizer.detect(&photo)?;
    if let Some(picture) = picture {
        let annotations: Vec<_> = faces.iter().map(Annotation::new).collect();
        crate::draw::save(&photo, &annotations, picture)?;
    }
    let faces = faces.iter().map(|face| FaceRecord::new(face, recognizer.quality(&photo, face))).collect();
    Ok(PhotoRecord::answered(path, (photo.width(), photo.height()), faces))
}

fn describe(record: &PhotoRecord) -> String {
    if let Some(error) = &record.error {
        return format!("{}: failed: {}", record.photo, error.message);
    }
    let mut text = match record.faces.len() {
        0 => format!("{}: no face", record.photo),
        1 => format!("{}: 1 face", record.photo),
        count => format!("{}: {count} faces", record.photo),
    };
    for face in &record.faces {
        text.push_str(&format!("\n  {}  score {:.3}", face.place(), face.score.unwrap_or_default()));
        if let Some(quality) = face.quality {
            text.push_str(&format!("  quality {quality:.2}"));
        }
    }
    text
}

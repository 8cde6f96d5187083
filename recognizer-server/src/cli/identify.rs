//! `recognizer identify`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use facerecog_engine::embed::similarity;
use facerecog_engine::gallery::{EnrolOptions, Gallery, Verify};
use facerecog_engine::photo::{self, Limits, ReducedPhoto, Reduction};
use facerecog_engine::quality::FaceQuality;
use facerecog_engine::recognizer::{IdentifiedFace, RecognizeOptions, Recognizer};
use unicode_width::UnicodeWidthStr;

use super::decision_options::DecisionOptions;
use super::error::CliError;
use super::in_order::for_each_in_order;
use super::person_score::person_score;
use super::photo_list::PhotoList;
use super::photo_options::PhotoOptions;
use super::record::{ErrorRecord, FaceRecord, MatchRecord, PhotoRecord};
use super::session::{IndexOptions, Session};
use super::{Outcome, enrolment, progress, table};
use crate::best_match::{NOT_FOUND, best_match};
use crate::draw::{Annotation, Pictures};

/// Say who is on photos
///
/// Finds every face and names the known person it is nearest to, or nobody. Photos are read on all
/// threads and answered in the order given. A photo that cannot be read is reported in its place.
///
/// Of 100 faces of strangers at most one gets a name, however many people are known, by what was measured of the pack;
/// --fmr asks for more or less, docs/accuracy.md tells what that costs.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  Against a folder of known people; only its changed photos are read again:
      recognizer identify photo.jpg --known known_people

  A folder of photos against the index that `recognizer reindex` wrote, drawn into another folder:
      recognizer identify holiday/ --draw annotated/

  For a program:
      recognizer identify --json holiday/ | jq -r '[.photo, .image_name] | @tsv'")]
pub(crate) struct Identify {
    #[command(flatten)]
    photos: PhotoList,
    /// Folder of known people to learn first
    #[arg(long, value_name = "DIR")]
    known: Option<PathBuf>,
    #[command(flatten)]
    index: IndexOptions,
    /// Compare a face with the mean of this many nearest photos of a person, not with the nearest alone
    #[arg(long, value_name = "N", default_value = "1")]
    photos_per_person: NonZeroUsize,
    /// Compare a face with the template of each person, the mean of the embeddings of all their photos: more accurate where
    /// people have several
    #[arg(long, conflicts_with = "photos_per_person")]
    templates: bool,
    /// Paint boxes, landmarks and names: a .png for one photo, or a folder for any number
    #[arg(long, value_name = "OUT")]
    draw: Option<PathBuf>,
    #[command(flatten)]
    decision: DecisionOptions,
    #[command(flatten)]
    photo: PhotoOptions,
}

impl Identify {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let photos = self.photos.expand()?;
        let pictures = self.draw.as_deref().map(|out| Pictures::plan(out, &photos)).transpose()?;
        let index_dir = session.index_dir(&self.index);
        let score = person_score(self.templates, self.photos_per_person);
        let recognizer = session.recognizer(self.photo.detect())?.with_person_score(score);
        let limits = self.photo.limits();
        if let Some(known) = &self.known {
            let options = EnrolOptions { limits: self.photo.enrol_limits(), ..EnrolOptions::default() };
            let report = enrolment::enrol(&recognizer, known, &index_dir, &options, session.output)?;
            eprintln!("{}", enrolment::describe(&report));
        }
        let gallery = Gallery::open(&index_dir, &recognizer.pack().embedder_identity(), Verify::Full)?;

        let decision = self.decision.for_search(recognizer.pack(), gallery.rows())?;
        let options =
            RecognizeOptions { min_similarity: Some(similarity(decision.threshold)), ..RecognizeOptions::default() };

        let bar = (photos.len() > 1).then(|| progress::counting(photos.len() as u64, "identifying"));
        let photo_width = photos.iter().map(|path| path.to_string_lossy().width()).max().unwrap_or(0).min(60);
        session.output.text(heading(photo_width))?;
        let mut any_failed = false;
        let items: Vec<(usize, &PathBuf)> = photos.iter().enumerate().collect();
        for_each_in_order(
            &items,
            |&(index, path)| {
                let picture = pictures.as_ref().map(|pictures| pictures.of(index));
                identify(&recognizer, &gallery, &options, path, &limits, picture)
            },
            |record| {
                any_failed |= record.error.is_some();
                let print = || session.output.answer(&record, || describe(&record, photo_width));
                match &bar {
                    Some(bar) => {
                        bar.inc(1);
                        bar.suspend(print)
                    }
                    None => print(),
                }
            },
        )?;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        Ok(Outcome::of(any_failed))
    }
}

fn identify(
    recognizer: &Recognizer,
    gallery: &Gallery,
    options: &RecognizeOptions,
    path: &Path,
    limits: &Limits,
    picture: Option<&Path>,
) -> PhotoRecord {
    let answer = || -> Result<PhotoRecord, ErrorRecord> {
        let file = photo::read(path, limits)?;
        let photo = match picture {
            // What is painted onto is the whole photo.
            Some(_) => ReducedPhoto::decode(&file, limits, Reduction::None),
            None => recognizer.decode(&file, limits, 0.0),
        };
        let photo = photo.map_err(|error| error.at(path))?;
        let recognition = recognizer.recognize(&photo, gallery, options)?;
        let (qualities, identified): (Vec<FaceQuality>, Vec<IdentifiedFace>) =
            recognition.faces.into_iter().map(|face| (face.quality, IdentifiedFace::from(face))).unzip();
        if let Some(picture) = picture {
            let annotations: Vec<_> = identified
                .iter()
                .map(|face| Annotation::new(&face.face).named(face.best.as_ref().map(|best| best.person.as_str())))
                .collect();
            crate::draw::save(photo.photo(), &annotations, picture)?;
        }
        let faces = identified
            .iter()
            .zip(qualities)
            .map(|(face, quality)| FaceRecord {
                matched: Some(face.best.as_ref().map(MatchRecord::from)),
                ..FaceRecord::new(&face.face, quality)
            })
            .collect();
        let name = best_match(&identified).map_or(NOT_FOUND, |best| best.image_name.as_str());
        Ok(PhotoRecord {
            image_name: Some(name.to_owned()),
            ..PhotoRecord::answered(path, (photo.width(), photo.height()), faces)
        })
    };
    answer().unwrap_or_else(|error| PhotoRecord {
        image_name: Some(NOT_FOUND.to_owned()),
        ..PhotoRecord::failed(path, error)
    })
}

const PERSON_WIDTH: usize = 20;
const IMAGE_WIDTH: usize = 24;

fn heading(photo_width: usize) -> String {
    row(photo_width, "PHOTO", "PERSON", "KNOWN PHOTO", "DISTANCE", "PROBABILITY", "FACE")
}

fn describe(record: &PhotoRecord, photo_width: usize) -> String {
    let photo = record.photo.as_str();
    if let Some(error) = &record.error {
        return format!("{}  failed: {}", table::left(photo, photo_width), error.message);
    }
    if record.faces.is_empty() {
        return format!("{}  no face", table::left(photo, photo_width));
    }
    let rows = record.faces.iter().enumerate().map(|(index, face)| {
        let photo = if index == 0 { photo } else { "" };
        match face.matched.as_ref().and_then(Option::as_ref) {
            Some(best) => row(
                photo_width,
                photo,
                &best.person,
                &best.image_name,
                &format!("{:.3}", best.distance),
                &format!("{:.1} %", best.probability * 100.0),
                &face.place(),
            ),
            None => row(photo_width, photo, "unknown", "", "", "", &face.place()),
        }
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn row(
    photo_width: usize,
    photo: &str,
    person: &str,
    image_name: &str,
    distance: &str,
    probability: &str,
    face: &str,
) -> String {
    [
        table::left(photo, photo_width),
        table::left(person, PERSON_WIDTH),
        table::left(image_name, IMAGE_WIDTH),
        table::right(distance, 8),
        table::right(probability, 11),
        face.to_owned(),
    ]
    .join("  ")
}

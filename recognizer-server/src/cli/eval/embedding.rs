//! The photos of a measurement, embedded once each.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use clap::Args;
use facerecog_engine::detect::Face;
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::quality::{FaceMeasurements, FaceQuality};
use facerecog_engine::recognizer::{EmbeddedFace, Recognizer};
use serde::{Deserialize, Serialize};

use super::super::error::CliError;
use super::super::in_order::for_each_in_order;
use super::super::photo_options::PhotoOptions;
use super::super::progress;
use super::super::session::Session;

/// How photos are read, and where their embeddings are kept.
#[derive(Debug, Args)]
pub(super) struct EmbeddingOptions {
    /// Keep embeddings in this file for the next measurement: only photos that are new or changed are read again
    #[arg(long, value_name = "FILE")]
    embeddings: Option<PathBuf>,
    #[command(flatten)]
    pub(super) photo: PhotoOptions,
}

/// A photo of a measurement.
#[derive(Debug, Clone)]
pub(super) struct EmbeddedPhoto {
    /// Of the face nearest the centre, or of the middle of the photo when there is none.
    pub(super) embedding: Vec<f32>,
    pub(super) face: Option<Face>,
    /// What was measured of the face.
    pub(super) measured: Option<FaceMeasurements>,
}

/// Every photo of a measurement and the recognizer that read it.
#[derive(Debug)]
pub(super) struct EmbeddedPhotos {
    pub(super) recognizer: Recognizer,
    /// How much a photo may cost, for those that are read again.
    pub(super) limits: Limits,
    photos: HashMap<PathBuf, EmbeddedPhoto>,
}

impl EmbeddedPhotos {
    /// A photo by the path that it was asked for by.
    pub(super) fn get(&self, path: &Path) -> &EmbeddedPhoto {
        &self.photos[path]
    }

    /// The quality of a photo's face, if it has one.
    pub(super) fn quality(&self, path: &Path) -> Option<FaceQuality> {
        let decoder = self.recognizer.pack().entry().detector.decoder;
        self.get(path).measured.map(|measured| FaceQuality::new(measured, decoder))
    }

    pub(super) fn len(&self) -> usize {
        self.photos.len()
    }

    pub(super) fn without_face(&self) -> usize {
        self.photos.values().filter(|photo| photo.face.is_none()).count()
    }
}

/// What embeddings are made by: the first line of the file that keeps them.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    facerecog_embeddings: u32,
    /// Digests of the detector's networks and of everything that decides an embedding.
    pack: Vec<String>,
    detection: String,
}

/// A photo in that file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    photo: PathBuf,
    size: u64,
    mtime_ns: u128,
    face: Option<Face>,
    measured: Option<FaceMeasurements>,
    embedding: Vec<f32>,
}

impl EmbeddingOptions {
    /// Embeds every photo once, the paths being relative to `root`. A photo that cannot be read ends it: a rate over
    /// fewer photos than the list has could not be compared with anything.
    pub(super) fn embed_all<'a>(
        &self,
        session: &Session,
        root: &Path,
        paths: impl Iterator<Item = &'a Path>,
    ) -> Result<EmbeddedPhotos, CliError> {
        let recognizer = session.recognizer(self.photo.detect())?;
        let limits = self.photo.limits();
        let paths: HashSet<&Path> = paths.collect();
        let origin = self.origin(&recognizer);
        let mut kept = match &self.embeddings {
            Some(file) => read_kept(file, &origin)?,
            None => HashMap::new(),
        };
        let mut photos = HashMap::with_capacity(paths.len());
        let mut missing = Vec::new();
        for path in paths {
            match kept.remove(&root.join(path)) {
                Some(photo) if file_state(&root.join(path)) == Some((photo.size, photo.mtime_ns)) => {
                    let Kept { face, measured, embedding, .. } = photo;
                    photos.insert(path.to_owned(), EmbeddedPhoto { embedding, face, measured });
                }
                _ => missing.push(path),
            }
        }
        missing.sort_unstable();
        let bar = progress::counting(missing.len() as u64, "embedding");
        for_each_in_order(
            &missing,
            |&path| (path, embed(&recognizer, &root.join(path), &limits)),
            |(path, photo): (&Path, Result<EmbeddedPhoto, CliError>)| {
                photos.insert(path.to_owned(), photo?);
                bar.inc(1);
                Ok::<(), CliError>(())
            },
        )?;
        bar.finish_and_clear();
        if let Some(file) = &self.embeddings
            && !missing.is_empty()
        {
            write_kept(file, &origin, root, &photos, kept)?;
        }
        Ok(EmbeddedPhotos { recognizer, limits, photos })
    }

    fn origin(&self, recognizer: &Recognizer) -> Origin {
        let pack = recognizer.pack();
        let digest = pack.embedder_identity().digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let detector = pack.entry().detector.networks.iter().map(|network| network.sha256.clone());
        let (options, entry) = (self.photo.detect(), &pack.entry().detector);
        Origin {
            facerecog_embeddings: 2,
            pack: detector.chain([digest, pack.entry().precision.name().to_owned()]).collect(),
            detection: format!(
                "min_face {} min_score {} max_faces {} try_turned {}",
                options.min_face,
                options.min_score.unwrap_or(entry.min_score),
                options.max_faces,
                options.try_turned
            ),
        }
    }
}

fn embed(recognizer: &Recognizer, path: &Path, limits: &Limits) -> Result<EmbeddedPhoto, CliError> {
    let photo = Photo::open(path, limits)?;
    let faces = recognizer.detect(&photo)?;
    Ok(match nearest_to_center(&photo, &faces) {
        Some(face) => {
            let EmbeddedFace { face, quality, embedding } = recognizer.embed(&photo, face)?;
            let embedding = embedding.values().to_owned();
            EmbeddedPhoto { embedding, face: Some(face), measured: Some(quality.measured) }
        }
        None => {
            let embedding = recognizer.embed_center_crop(&photo)?.values().to_owned();
            EmbeddedPhoto { embedding, face: None, measured: None }
        }
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

/// Size and time of change, by which a file is known to be the same.
fn file_state(path: &Path) -> Option<(u64, u128)> {
    let metadata = fs::metadata(path).ok()?;
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), since.as_nanos()))
}

/// What a file keeps that was made the same way, by the photos' paths. None yet, when there is no such file; a file of
/// anything else is not written over.
fn read_kept(file: &Path, origin: &Origin) -> Result<HashMap<PathBuf, Kept>, CliError> {
    let unreadable = |reason: &dyn std::fmt::Display| {
        CliError::Usage(format!("{}: not a file of embeddings that can be used: {reason}", file.display()))
    };
    let reader = match File::open(file) {
        Ok(reader) => BufReader::new(reader),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(unreadable(&error)),
    };
    let mut lines = reader.lines();
    let first = lines.next().unwrap_or(Ok(String::new())).map_err(|error| unreadable(&error))?;
    let made_by: Origin = serde_json::from_str(&first).map_err(|error| unreadable(&error))?;
    if made_by != *origin {
        return Ok(HashMap::new());
    }
    let mut kept = HashMap::new();
    for line in lines {
        let line = line.map_err(|error| unreadable(&error))?;
        let photo: Kept = serde_json::from_str(&line).map_err(|error| unreadable(&error))?;
        kept.insert(photo.photo.clone(), photo);
    }
    Ok(kept)
}

/// Replaces the file whole, so that it is never half written.
fn write_kept(
    file: &Path,
    origin: &Origin,
    root: &Path,
    photos: &HashMap<PathBuf, EmbeddedPhoto>,
    others: HashMap<PathBuf, Kept>,
) -> Result<(), CliError> {
    let of_photo = |(path, photo): (&PathBuf, &EmbeddedPhoto)| {
        let path = root.join(path);
        let (size, mtime_ns) = file_state(&path)?;
        let EmbeddedPhoto { embedding, face, measured } = photo.clone();
        Some(Kept { photo: path, size, mtime_ns, face, measured, embedding })
    };
    let mut all: Vec<Kept> = photos.iter().filter_map(of_photo).chain(others.into_values()).collect();
    all.sort_by(|a, b| a.photo.cmp(&b.photo));
    let write = || -> std::io::Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut writer = BufWriter::new(tempfile::NamedTempFile::new_in(folder)?);
        serde_json::to_writer(&mut writer, origin)?;
        for photo in &all {
            writer.write_all(b"\n")?;
            serde_json::to_writer(&mut writer, photo)?;
        }
        writer.write_all(b"\n")?;
        writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.persist(file)?;
        Ok(())
    };
    write().map_err(|error| CliError::Failed(format!("{}: could not be written: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use facerecog_engine::{BoundingBox, Point};

    use super::*;

    fn face(x: f32) -> Face {
        Face { bbox: BoundingBox::new(x, 40.0, 20.0, 20.0), score: 1.0, landmarks: [Point::default(); 5] }
    }

    fn origin(detection: &str) -> Origin {
        Origin { facerecog_embeddings: 2, pack: vec!["a".into()], detection: detection.into() }
    }

    #[test]
    fn the_face_in_the_middle_counts() {
        let photo = Photo::from_rgb(100, 100, vec![0; 30_000]);
        let faces = [face(0.0), face(35.0), face(80.0)];
        assert_eq!(nearest_to_center(&photo, &faces), Some(&faces[1]));
        assert_eq!(nearest_to_center(&photo, &[]), None);
    }

    #[test]
    fn what_is_kept_is_read_to_the_last_bit() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.jpg"), "photo").unwrap();
        let embedding = vec![0.1 + 0.2, f32::MIN_POSITIVE, -1.0 / 3.0];
        let measured = FaceMeasurements { sharpness: -1.0 / 3.0, ..FaceMeasurements::default() };
        let photo =
            EmbeddedPhoto { embedding: embedding.clone(), face: Some(face(1.0 / 3.0)), measured: Some(measured) };
        let file = dir.path().join("kept");
        let photos = HashMap::from([(PathBuf::from("a.jpg"), photo)]);
        write_kept(&file, &origin("x"), dir.path(), &photos, HashMap::new()).unwrap();
        let kept = read_kept(&file, &origin("x")).unwrap();
        let read = &kept[&dir.path().join("a.jpg")];
        assert_eq!((&read.embedding, &read.face, read.size), (&embedding, &Some(face(1.0 / 3.0)), 5));
        assert_eq!(read.measured, Some(measured));
        // Made another way they are of no use.
        assert!(read_kept(&file, &origin("y")).unwrap().is_empty());
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("letter.txt");
        std::fs::write(&file, "Dear Ada,").unwrap();
        assert_eq!(read_kept(&file, &origin("x")).unwrap_err().exit_status(), 2);
        assert!(read_kept(&dir.path().join("none"), &origin("x")).unwrap().is_empty());
    }
}

//! `recognizer models calibrate`.

use std::path::{Path, PathBuf};

use facerecog_engine::detect::DetectOptions;
use facerecog_engine::model::{Calibration, Precision};
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::Recognizer;
use serde::Serialize;

use super::error::CliError;
use super::in_order::for_each_in_order;
use super::photo_list::PhotoList;
use super::record::ErrorRecord;
use super::session::Session;
use super::{Outcome, progress};

#[derive(Serialize)]
struct CalibrationRecord {
    pack: String,
    /// The file that was written.
    path: String,
    /// Photos that were looked at, and faces on them.
    photos: usize,
    faces: usize,
    /// Photos that could not be read.
    failed: usize,
    /// Layers whose range is known.
    layers: usize,
}

/// Runs a pack in f32 on photos, and writes what its layers read beside its networks.
pub(super) fn calibrate(session: &Session, name: &str, photos: &PhotoList) -> Result<Outcome, CliError> {
    let photos = photos.expand()?;
    let manifest = session.manifest.clone().with_precision(Precision::F32);
    let (pack, recorder) = manifest.pack(name, Some(&session.models_dir))?.recording();
    let recognizer = Recognizer::new(pack, DetectOptions::default())?;
    // Loading tries the embedder on an image that is no face.
    recorder.forget();
    let (mut faces, mut failed) = (0, 0);
    let bar = progress::counting(photos.len() as u64, "looking");
    for_each_in_order(
        &photos,
        |path: &PathBuf| look(&recognizer, path).map_err(|error| (path.clone(), error)),
        |seen: Result<usize, (PathBuf, ErrorRecord)>| {
            bar.inc(1);
            match seen {
                Ok(found) => faces += found,
                Err((path, error)) => {
                    failed += 1;
                    bar.suspend(|| eprintln!("{}: failed: {}", path.display(), error.message));
                }
            }
            Ok::<(), CliError>(())
        },
    )?;
    bar.finish_and_clear();
    if faces == 0 {
        return Err(CliError::Usage(format!(
            "no face was found on {} photos; name photos of faces as they will come",
            photos.len()
        )));
    }
    let calibration = recorder.calibration();
    let path = session.models_dir.join(Calibration::file_name(name));
    calibration.write(&path)?;
    let record = CalibrationRecord {
        pack: name.to_owned(),
        path: path.to_string_lossy().into_owned(),
        photos: photos.len() - failed,
        faces,
        failed,
        layers: calibration.layers(),
    };
    session.output.answer(&record, || {
        let CalibrationRecord { pack, path, photos, faces, layers, .. } = &record;
        format!("{path}: ranges of {layers} layers, from {faces} faces on {photos} photos; use them with: --pack {pack} --precision int8")
    })?;
    Ok(Outcome::of(failed > 0))
}

/// Faces of a photo.
fn look(recognizer: &Recognizer, path: &Path) -> Result<usize, ErrorRecord> {
    let photo = Photo::open(path, &Limits::default())?;
    Ok(recognizer.embed_faces(&photo)?.len())
}

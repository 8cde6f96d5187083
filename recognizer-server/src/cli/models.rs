//! `recognizer models`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use facerecog_engine::model::{ModelFile, PackEntry};
use serde::Serialize;

use super::error::CliError;
use super::models_add::Add;
use super::models_fetch::{self, Download};
use super::photo_list::PhotoList;
use super::session::Session;
use super::{Outcome, models_calibrate, models_explain, table};

/// List, fetch, add, check, explain and calibrate packs of models
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  recognizer models list
  recognizer models fetch fast

  On a machine without a network, from files brought along:
      recognizer models fetch fast --from /media/usb

  An embedder of your own, or another detector:
      recognizer models add face_recognition_sface_2021dec.onnx --kind sface --pack sface
      recognizer models add --help

  What takes the time here, layer by layer?
      recognizer models explain fast

  In half the time, and in a third of it with ranges from photos of your own:
      recognizer --pack fast --precision bf16 identify photo.jpg --known known_people
      recognizer models calibrate fast photos/
      recognizer --pack fast --precision int8 identify photo.jpg --known known_people")]
pub(crate) struct Models {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show every pack, its files and licences, and what is at hand
    List,
    /// Fetch the files of packs; an interrupted download goes on where it stopped
    Fetch {
        /// Packs to fetch
        #[arg(required = true, value_name = "PACK")]
        packs: Vec<String>,
        /// Take the files from this folder instead of the network
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
    Add(Box<Add>),
    /// Check the files at hand against the manifest's checksums
    Verify {
        /// Packs to check [default: every pack]
        #[arg(value_name = "PACK")]
        packs: Vec<String>,
    },
    /// Show how networks are run: each layer, its kernel, and the time it takes here
    Explain {
        /// A pack, or an ONNX file [default: the pack in use]
        #[arg(value_name = "PACK|FILE")]
        what: Option<String>,
        /// Height and width of the image, for networks that take every size [default: 640x640]
        #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = size)]
        size: Option<[usize; 2]>,
    },
    /// Run a pack on photos and keep the ranges that its layers read: precision int8 takes them
    ///
    /// A hundred photos of faces as they will come are enough. The ranges are kept beside the networks; galleries made
    /// with other ranges, or in another precision, have to be made anew.
    Calibrate {
        /// The pack
        #[arg(value_name = "PACK")]
        pack: String,
        #[command(flatten)]
        photos: PhotoList,
    },
}

/// Sides above are refused: maps of such images take gigabytes.
const LONGEST_SIDE: usize = 4096;

fn size(text: &str) -> Result<[usize; 2], String> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=LONGEST_SIDE).contains(side));
    let sides = text.split_once('x').and_then(|(height, width)| Some([side(height)?, side(width)?]));
    sides.ok_or_else(|| format!("not two sides of 1…{LONGEST_SIDE} pixels, as 480x640"))
}

#[derive(Serialize)]
struct PackRecord {
    pack: String,
    builtin: bool,
    present: bool,
    files: Vec<FileRecord>,
}

#[derive(Serialize)]
struct FileRecord {
    file: String,
    bytes: u64,
    sha256: String,
    licence: String,
    source: String,
    present: bool,
}

#[derive(Serialize)]
struct CheckRecord {
    pack: String,
    file: String,
    path: String,
    /// `fetched`, `present`, `builtin`, `missing`, `wrong_checksum` or `failed`.
    state: &'static str,
    error: Option<String>,
}

impl Models {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        match self.what {
            What::List => list(session),
            What::Fetch { packs, from } => fetch(session, &packs, from),
            What::Add(add) => add.run(session),
            What::Verify { packs } => verify(session, &packs),
            What::Explain { what, size } => {
                models_explain::explain(session, what.as_deref().unwrap_or(&session.pack_name), size)?;
                Ok(Outcome::Complete)
            }
            What::Calibrate { pack, photos } => models_calibrate::calibrate(session, &pack, &photos),
        }
    }
}

/// The packs called `names`, in this order.
fn entries<'a>(session: &'a Session, names: &'a [String]) -> Result<Vec<(&'a str, &'a PackEntry)>, CliError> {
    names.iter().map(|name| Ok((name.as_str(), session.manifest.entry(name)?))).collect()
}

fn list(session: &Session) -> Result<Outcome, CliError> {
    for (name, pack) in session.manifest.packs() {
        let files: Vec<FileRecord> = pack
            .files()
            .map(|file| FileRecord {
                present: file.is_builtin() || session.models_dir.join(&file.file).is_file(),
                file: file.file.clone(),
                bytes: file.bytes,
                sha256: file.sha256.clone(),
                licence: file.licence.clone(),
                source: file.source.clone(),
            })
            .collect();
        let present = files.iter().all(|file| file.present);
        let record = PackRecord { pack: name.to_owned(), builtin: pack.is_builtin(), present, files };
        session.output.answer(&record, || describe(&record, session))?;
    }
    Ok(Outcome::Complete)
}

fn describe(record: &PackRecord, session: &Session) -> String {
    let state = match (record.builtin, record.present) {
        (true, _) => "inside the program".to_owned(),
        (false, true) => format!("in {}", session.models_dir.display()),
        (false, false) => format!("not here; fetch it with: recognizer models fetch {}", record.pack),
    };
    let files: Vec<Vec<String>> = record
        .files
        .iter()
        .map(|file| {
            vec![
                format!("  {}", file.file),
                indicatif::HumanBytes(file.bytes).to_string(),
                file.licence.clone(),
                file.source.clone(),
            ]
        })
        .collect();
    format!("{}: {state}\n{}", record.pack, table::table(&files))
}

fn fetch(session: &Session, packs: &[String], from: Option<PathBuf>) -> Result<Outcome, CliError> {
    let mut any_failed = false;
    for (name, pack) in entries(session, packs)? {
        for file in pack.files() {
            let path = session.models_dir.join(&file.file);
            let (state, error) = if file.is_builtin() {
                ("builtin", None)
            } else {
                match models_fetch::fetch(file, name, &session.models_dir, from.as_deref()) {
                    Ok(Download::Fetched) => ("fetched", None),
                    Ok(Download::AlreadyThere) => ("present", None),
                    Err(error) => ("failed", Some(error.to_string())),
                }
            };
            any_failed |= error.is_some();
            report(session, name, file, path, state, error)?;
        }
    }
    Ok(Outcome::of(any_failed))
}

fn verify(session: &Session, names: &[String]) -> Result<Outcome, CliError> {
    let packs = if names.is_empty() { session.manifest.packs().collect() } else { entries(session, names)? };
    let mut any_failed = false;
    for (name, pack) in packs {
        for file in pack.files() {
            let path = session.models_dir.join(&file.file);
            let (state, error) = if file.is_builtin() {
                ("builtin", None)
            } else if !path.exists() {
                // A pack nobody asked for need not be here.
                any_failed |= !names.is_empty();
                ("missing", None)
            } else {
                match models_fetch::check(&path, file) {
                    Ok(()) => ("present", None),
                    Err(error) => ("wrong_checksum", Some(error.to_string())),
                }
            };
            any_failed |= error.is_some();
            report(session, name, file, path, state, error)?;
        }
    }
    Ok(Outcome::of(any_failed))
}

fn report(
    session: &Session,
    pack: &str,
    file: &ModelFile,
    path: PathBuf,
    state: &'static str,
    error: Option<String>,
) -> Result<(), CliError> {
    let record = CheckRecord {
        pack: pack.to_owned(),
        file: file.file.clone(),
        path: path.to_string_lossy().into_owned(),
        state,
        error,
    };
    session.output.answer(&record, || match (&record.error, record.state) {
        (Some(error), _) => format!("failed: {error}"),
        (None, "builtin") => format!("{}: inside the program", record.file),
        (None, "missing") => format!("{}: not here", record.path),
        (None, "fetched") => format!("{}: fetched, checksum right", record.path),
        (None, _) => format!("{}: checksum right", record.path),
    })
}

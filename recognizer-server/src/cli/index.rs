//! `recognizer index`.

use std::path::Path;

use clap::{Args, Subcommand};
use facerecog_engine::BoundingBox;
use facerecog_engine::gallery::{self, Gallery, Verify};
use serde::Serialize;

use super::error::CliError;
use super::session::{IndexOptions, Session};
use super::{Outcome, table};

/// Look into the index of known people
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  recognizer index info
  recognizer index list --json | jq -r .person | sort | uniq -c
  recognizer index verify --index /var/lib/facerecog")]
pub(crate) struct Index {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say which generation is live and what it holds
    Info {
        #[command(flatten)]
        index: IndexOptions,
    },
    /// List every known photo
    List {
        #[command(flatten)]
        index: IndexOptions,
    },
    /// Check every byte of the live generation against its checksums
    Verify {
        #[command(flatten)]
        index: IndexOptions,
    },
}

#[derive(Serialize)]
struct InfoRecord {
    index: String,
    generation: u64,
    file: Option<String>,
    bytes: Option<u64>,
    pack: String,
    embeddings: usize,
    people: usize,
    skipped: usize,
}

#[derive(Serialize)]
struct RowRecord<'a> {
    image_name: &'a str,
    person: &'a str,
    source: &'a str,
    size: u64,
    mtime_ns: i64,
    bbox: BoundingBox,
    score: f32,
    quality: f32,
    faces_seen: u32,
}

#[derive(Serialize)]
struct VerifyRecord {
    index: String,
    ok: bool,
    error: Option<String>,
}

impl Index {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        match self.what {
            What::Info { index } => info(session, &session.index_dir(&index)),
            What::List { index } => list(session, &session.index_dir(&index)),
            What::Verify { index } => verify(session, &session.index_dir(&index)),
        }
    }
}

fn open(session: &Session, dir: &Path, verify: Verify) -> Result<Gallery, CliError> {
    Ok(Gallery::open(dir, &session.pack()?.embedder_identity(), verify)?)
}

fn info(session: &Session, dir: &Path) -> Result<Outcome, CliError> {
    let gallery = open(session, dir, Verify::Header)?;
    let record = InfoRecord {
        index: dir.to_string_lossy().into_owned(),
        generation: gallery.generation(),
        file: gallery.path().map(|path| path.to_string_lossy().into_owned()),
        bytes: gallery.path().and_then(|path| path.metadata().ok()).map(|metadata| metadata.len()),
        pack: session.pack_name.clone(),
        embeddings: gallery.rows(),
        people: gallery.people().len(),
        skipped: gallery.skipped().len(),
    };
    session.output.answer(&record, || {
        let mut rows = vec![
            vec!["index".to_owned(), record.index.clone()],
            vec!["generation".to_owned(), record.generation.to_string()],
            vec!["pack".to_owned(), record.pack.clone()],
            vec!["people".to_owned(), record.people.to_string()],
            vec!["skipped photos".to_owned(), record.skipped.to_string()],
            vec!["embeddings".to_owned(), record.embeddings.to_string()],
        ];
        if let Some(bytes) = record.bytes {
            rows.push(vec!["size".to_owned(), indicatif::HumanBytes(bytes).to_string()]);
        }
        table::table(&rows)
    })?;
    Ok(Outcome::Complete)
}

fn list(session: &Session, dir: &Path) -> Result<Outcome, CliError> {
    let gallery = open(session, dir, Verify::Full)?;
    let rows = (0..gallery.rows()).map(|index| gallery.row(index));
    if session.output.is_json() {
        for row in rows {
            let record = RowRecord {
                image_name: row.image_name,
                person: row.person,
                source: row.source,
                size: row.file.size,
                mtime_ns: row.file.modified_ns,
                bbox: row.bbox,
                score: row.score,
                quality: row.quality,
                faces_seen: row.faces_seen,
            };
            session.output.answer(&record, String::new)?;
        }
    } else {
        let mut cells = vec![["PERSON", "KNOWN PHOTO", "SCORE", "QUALITY"].map(String::from).to_vec()];
        cells.extend(rows.map(|row| {
            vec![
                row.person.to_owned(),
                row.image_name.to_owned(),
                format!("{:.3}", row.score),
                format!("{:.2}", row.quality),
            ]
        }));
        session.output.text(table::table(&cells))?;
    }
    Ok(Outcome::Complete)
}

fn verify(session: &Session, dir: &Path) -> Result<Outcome, CliError> {
    let error = gallery::verify(dir).err();
    if let Some(error @ facerecog_engine::gallery::GalleryError::NoGeneration { .. }) = error {
        return Err(error.into());
    }
    let record = VerifyRecord {
        index: dir.to_string_lossy().into_owned(),
        ok: error.is_none(),
        error: error.as_ref().map(ToString::to_string),
    };
    session.output.answer(&record, || match &record.error {
        None => format!("{}: intact", record.index),
        Some(error) => error.clone(),
    })?;
    Ok(Outcome::of(!record.ok))
}

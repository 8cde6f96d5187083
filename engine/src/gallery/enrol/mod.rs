//! Building a gallery from a folder of known people.

mod contents;
mod fingerprint;
mod journal;
mod known_folder;
mod name;
mod outcome;
mod outliers;
mod previous;
mod quality;
mod read;
mod report;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use self::contents::Contents;
pub use self::fingerprint::KnownFolderFingerprint;
use self::journal::Journal;
use self::known_folder::KnownFolder;
pub use self::known_folder::{image_name_of, person_of};
pub use self::name::is_photo;
use self::outcome::Enrolment;
pub use self::outliers::OutlierCheck;
use self::previous::Previous;
pub use self::quality::QualityCheck;
use self::read::{error_kind, modified_ns};
pub use self::report::{EnrolWarning, EnrolmentReport, SkippedPhoto};
use super::{GalleryError, IndexWriter, current_generation};
use crate::BoundingBox;
use crate::embed::Embedding;
use crate::model::EmbedderIdentity;
use crate::photo::Limits;
use crate::quality::Fault;

/// Turns the file of a known photo into the embedding to enrol.
pub trait EnrolmentEmbedder: Sync {
    /// Finds the largest face and embeds it; decodes within `limits`.
    ///
    /// # Errors
    /// Why there is nothing to enrol. The answer must depend on `bytes` alone: refusals are
    /// remembered, and the photo is not asked for again until its content changes.
    fn embed(&self, bytes: &[u8], limits: &Limits) -> Result<EnrolledFace, EnrolRefusal>;
}

/// The face of a known photo.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrolledFace {
    /// Its embedding.
    pub embedding: Embedding,
    /// Where it is on the upright photo, in pixels.
    pub bbox: BoundingBox,
    /// The detector's score, 0…1.
    pub score: f32,
    /// How well it can be recognised, 0…1, [`FaceQuality::score`](crate::quality::FaceQuality::score).
    pub quality: f32,
    /// What lowers its quality most. The index does not keep it.
    pub fault: Option<Fault>,
    /// Faces on the photo, of which this is the largest.
    pub faces_seen: u32,
}

/// Why a photo cannot be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolRefusal {
    /// A stable machine-readable reason: `no_face`, or the code of a [`PhotoErrorKind`](crate::photo::PhotoErrorKind).
    pub code: String,
    /// The reason in words.
    pub message: String,
}

/// How to enrol.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnrolOptions {
    /// Embed every photo again, also those that did not change.
    pub full: bool,
    /// Say what would be done, decode nothing and write nothing. Photos that would be embedded are
    /// counted as added, though some may turn out to hold no face.
    pub dry_run: bool,
    /// How much is read before it is refused.
    pub limits: EnrolLimits,
    /// Whether to look for photos that show someone else than the rest of the person's. A dry run decodes
    /// nothing and judges nobody.
    pub outliers: Option<OutlierCheck>,
    /// How good a face has to be.
    pub quality: QualityCheck,
}

/// Bounds of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolLimits {
    /// How much one photo may cost.
    pub photo: Limits,
    /// Most photos in a known folder.
    pub max_photos: usize,
}

impl Default for EnrolLimits {
    /// The file size of [`Limits`], 10 million photos.
    fn default() -> Self {
        Self { photo: Limits::default(), max_photos: 10_000_000 }
    }
}

/// How far an enrolment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnrolProgress<'a> {
    /// Photos done, this one included.
    pub done: usize,
    /// Photos there are.
    pub total: usize,
    /// The photo just done, relative to the known folder.
    pub path: &'a str,
}

/// Why nothing was enrolled. The index is as it was, but for [`GalleryError::NotDurable`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The folder of known people is missing or cannot be read.
    #[error("{}: the folder of known people cannot be read: {source}", .path.display())]
    KnownFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another folder took its place while it was read, such as the empty one under a volume that
    /// was unmounted.
    #[error("{}: the folder of known people was replaced while it was read; try again", .path.display())]
    KnownFolderReplaced {
        /// The folder.
        path: PathBuf,
    },
    /// There are more photos than the limit.
    #[error("{}: holds more than {limit} photos, the limit", .path.display())]
    TooManyPhotos {
        /// The folder.
        path: PathBuf,
        /// [`EnrolLimits::max_photos`].
        limit: usize,
    },
    /// The index could not be read or written.
    #[error(transparent)]
    Gallery(#[from] GalleryError),
}

/// Makes the gallery in `index_dir` hold the photos in `known`, and publishes a generation when
/// anything changed.
///
/// Photos lie in `known` itself, the person being the file's name without its extension and a
/// trailing `_<n>`, or in a folder for each person, at any depth. A photo whose size and time are
/// those of the generation before is not read, one whose content is known (touched, renamed) is not
/// embedded. A photo that cannot be read for the moment keeps the row it had, with a warning.
///
/// What the embedder answers is noted in the index folder until a generation holds it, so that an enrolment
/// that is killed goes on where it ended.
///
/// `progress` is called once for each photo, from several threads.
///
/// # Errors
/// See [`EnrolError`]. A photo that cannot be enrolled is not an error: the report names it.
pub fn enrol(
    known: &Path,
    index_dir: &Path,
    identity: &EmbedderIdentity,
    embedder: &dyn EnrolmentEmbedder,
    options: &EnrolOptions,
    progress: &(dyn Fn(EnrolProgress<'_>) + Sync),
) -> Result<EnrolmentReport, EnrolError> {
    let started = Instant::now();
    let folder = KnownFolder::open(known)?;
    let writer = if options.dry_run { None } else { Some(IndexWriter::lock(index_dir)?) };
    let (gallery, rebuilt) = match previous::open(index_dir, identity)? {
        Ok(gallery) => (Some(gallery), None),
        Err(reason) => (None, reason),
    };
    if let Some(reason) = &rebuilt {
        tracing::warn!(%reason, "every photo is embedded anew");
    }
    let previous = Previous::new(gallery.as_ref());
    let journal = writer.as_ref().map(|_| match options.full {
        true => Journal::anew(index_dir, identity),
        false => Journal::open(index_dir, identity),
    });

    let mut listing = folder.list(options.limits.max_photos)?;
    let mut report = EnrolmentReport {
        index: index_dir.display().to_string(),
        generation: 0,
        photos: listing.photos.len() + listing.skipped.len(),
        embeddings: 0,
        people: 0,
        added: 0,
        unchanged: 0,
        removed: 0,
        embedded: 0,
        resumed: 0,
        skipped: std::mem::take(&mut listing.skipped),
        warnings: Vec::new(),
        rebuilt,
        seconds: 0.0,
    };
    let photos = photos_to_enrol(&listing, &previous, &mut report);

    let unsure_of = previous.people_unlike(&photos);
    let enrolment = Enrolment {
        folder: &folder,
        previous: &previous,
        journal: journal.as_ref(),
        unsure_of: &unsure_of,
        identity,
        embedder,
        options,
    };
    let done = AtomicUsize::new(0);
    let outcomes = photos
        .par_iter()
        .map(|photo| {
            let outcome = enrolment.enrol(photo);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(EnrolProgress { done, total: photos.len(), path: photo.source });
            outcome
        })
        .collect::<Result<Vec<_>, _>>()?;
    folder.check_still_there()?;

    let unlike = match &options.outliers {
        Some(check) if !options.dry_run => {
            let faces =
                photos.iter().zip(&outcomes).filter_map(|(photo, outcome)| Some((photo.source, outcome.face()?)));
            outliers::find(faces, check)
        }
        _ => HashMap::new(),
    };
    let mut contents = Contents::new(options.quality);
    for (photo, outcome) in photos.iter().zip(&outcomes) {
        contents.add(photo.source, outcome, unlike.get(photo.source).copied(), &mut report);
    }
    let before = gallery.as_ref();
    let present: HashSet<&str> = contents.rows.iter().map(|row| row.source).collect();
    let rows_before = before.into_iter().flat_map(|gallery| (0..gallery.rows()).map(|row| gallery.row(row)));
    report.removed = rows_before.filter(|row| !present.contains(row.source)).count();
    report.embeddings = contents.rows.len() + contents.planned.len();
    let planned = contents.planned.iter().map(|source| person_of(source));
    report.people = contents.rows.iter().map(|row| row.person).chain(planned).collect::<HashSet<_>>().len();
    report.skipped.sort_by(|a, b| a.photo.cmp(&b.photo));
    report.warnings.sort_by(|a, b| a.photo.cmp(&b.photo));

    let changed = contents.changed
        || report.removed > 0
        || before.is_none_or(|before| before.skipped().len() != contents.skipped.len());
    report.generation = match (&writer, before) {
        (Some(writer), _) if changed => publish(writer, identity, &contents, journal.as_ref())?,
        (_, Some(before)) => before.generation(),
        (_, None) => current_generation(index_dir).ok().flatten().unwrap_or(0),
    };
    if let Some(journal) = &journal {
        journal.remove();
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Publishes a generation. On a full disk the journal makes way for it: what it says is in the generation.
fn publish(
    writer: &IndexWriter,
    identity: &EmbedderIdentity,
    contents: &Contents<'_>,
    journal: Option<&Journal>,
) -> Result<u64, GalleryError> {
    let is_full = |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    match (writer.publish(identity, &contents.rows, &contents.skipped), journal) {
        (Err(GalleryError::Io { source, .. }), Some(journal)) if is_full(&source) => {
            journal.remove();
            writer.publish(identity, &contents.rows, &contents.skipped)
        }
        (published, _) => published,
    }
}

/// A photo that belongs into the gallery if it can be read.
struct Photo<'a> {
    source: &'a str,
    /// Size and time; none when it could not be looked at.
    found: Option<(u64, i64)>,
}

/// The listed photos, and those that are known to lie where nothing can be read for the moment; of
/// several with the same file name only the first. Sorted by source.
fn photos_to_enrol<'a>(
    listing: &'a known_folder::Listing,
    previous: &Previous<'a>,
    report: &mut EnrolmentReport,
) -> Vec<Photo<'a>> {
    let mut photos: Vec<Photo<'a>> = listing
        .photos
        .iter()
        .map(|photo| Photo { source: &photo.source, found: Some((photo.metadata.len(), modified_ns(&photo.metadata))) })
        .collect();
    let listed: HashSet<&str> = photos.iter().map(|photo| photo.source).collect();
    for (source, error) in &listing.unreadable {
        let kept: Vec<&str> = previous.under(source).filter(|source| !listed.contains(source)).collect();
        let kind = error_kind(io::Error::new(error.kind(), error.to_string()));
        let (photo, code) = (source.clone(), kind.code().to_owned());
        if kept.is_empty() {
            report.photos += 1;
            report.skipped.push(SkippedPhoto { photo, code, message: kind.to_string() });
        } else {
            report.photos += kept.len();
            let message = format!("{kind}; {} photos known from before are kept", kept.len());
            report.warnings.push(EnrolWarning { photo, code, message });
        }
        photos.extend(kept.into_iter().map(|source| Photo { source, found: None }));
    }
    photos.sort_by_key(|photo| photo.source);
    photos.dedup_by_key(|photo| photo.source);

    let mut first_of_name: HashMap<&str, &str> = HashMap::new();
    photos.retain(|photo| {
        let first = *first_of_name.entry(image_name_of(photo.source)).or_insert(photo.source);
        if first != photo.source {
            report.skipped.push(SkippedPhoto {
                photo: photo.source.to_owned(),
                code: "duplicate_name".into(),
                message: format!("{} and {first} have the same file name; {first} is taken, rename one", photo.source),
            });
        }
        first == photo.source
    });
    photos
}

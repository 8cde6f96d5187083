//! Building a gallery from a folder of known people.

mod known_folder;
mod name;
mod previous;
mod read;
mod report;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use self::known_folder::{KnownFolder, image_name_of, person_of};
use self::previous::{Known, Previous};
use self::read::{error_kind, modified_ns, read_photo};
pub use self::report::{EnrolWarning, EnrolmentReport, SkippedPhoto};
use super::{GalleryError, IndexWriter, Row, SkippedRow, SourceFile, current_generation};
use crate::BoundingBox;
use crate::embed::Embedding;
use crate::model::EmbedderIdentity;
use crate::photo::{Limits, PhotoErrorKind};

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
    /// How well it can be recognised, 0…1.
    pub quality: f32,
    /// Faces on the photo, of which this is the largest.
    pub faces_seen: u32,
}

/// Why a photo cannot be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolRefusal {
    /// A stable machine-readable reason: `no_face`, or the code of a [`PhotoErrorKind`].
    pub code: String,
    /// The reason in words.
    pub message: String,
}

/// How to enrol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnrolOptions {
    /// Embed every photo again, also those that did not change.
    pub full: bool,
    /// Say what would be done, decode nothing and write nothing. Photos that would be embedded are
    /// counted as added, though some may turn out to hold no face.
    pub dry_run: bool,
    /// How much is read before it is refused.
    pub limits: EnrolLimits,
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
        skipped: std::mem::take(&mut listing.skipped),
        warnings: Vec::new(),
        rebuilt,
        seconds: 0.0,
    };
    let photos = photos_to_enrol(&listing, &previous, &mut report);

    let enrolment = Enrolment { folder: &folder, previous: &previous, identity, embedder, options };
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

    let mut contents = Contents::default();
    for (photo, outcome) in photos.iter().zip(&outcomes) {
        contents.add(photo.source, outcome, &mut report);
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
        (Some(writer), _) if changed => writer.publish(identity, &contents.rows, &contents.skipped)?,
        (_, Some(before)) => before.generation(),
        (_, None) => current_generation(index_dir).ok().flatten().unwrap_or(0),
    };
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
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

/// What came of a photo.
enum Outcome<'a> {
    /// Known from before. `changed` when the index must be written to say so.
    Known { known: Known<'a>, file: SourceFile, changed: bool },
    /// Known from before, and cannot be read for the moment.
    NotReadable { known: Known<'a>, error: PhotoErrorKind },
    /// Embedded.
    Embedded { face: EnrolledFace, file: SourceFile },
    /// Asked of the embedder, which refused.
    Refused { refusal: EnrolRefusal, file: SourceFile },
    /// Not fit to be read.
    Skipped(PhotoErrorKind),
    /// Would be embedded if this were not a dry run.
    Planned,
}

/// What is needed to enrol a photo.
struct Enrolment<'a, 'e> {
    folder: &'e KnownFolder,
    previous: &'e Previous<'a>,
    identity: &'e EmbedderIdentity,
    embedder: &'e dyn EnrolmentEmbedder,
    options: &'e EnrolOptions,
}

impl<'a> Enrolment<'a, '_> {
    fn enrol(&self, photo: &Photo<'_>) -> Result<Outcome<'a>, EnrolError> {
        let known = self.previous.at(photo.source);
        let usable = known.filter(|_| !self.options.full);
        match (photo.found, known, usable) {
            // The folder it lies in could not be read; the report says so once.
            (None, Some(known), _) => return Ok(Outcome::Known { known, file: *known.file(), changed: false }),
            (Some((size, modified_ns)), _, Some(known)) => {
                let file = *known.file();
                if file.settled && (file.size, file.modified_ns) == (size, modified_ns) {
                    return Ok(Outcome::Known { known, file, changed: false });
                }
            }
            _ => {}
        }
        let path = self.folder.path_of(photo.source);
        let (bytes, file) = match read_photo(&path, self.options.limits.photo.max_file_bytes) {
            Ok(read) => read,
            Err(error) => {
                let may_come_back = matches!(error, PhotoErrorKind::Io(_) | PhotoErrorKind::PermissionDenied);
                return Ok(match known {
                    Some(known) if may_come_back => Outcome::NotReadable { known, error },
                    _ => Outcome::Skipped(error),
                });
            }
        };
        if let Some(known) = usable.filter(|known| known.file().digest == file.digest) {
            let before = known.file();
            let changed = (before.size, before.modified_ns) != (file.size, file.modified_ns);
            return Ok(Outcome::Known { known, file, changed });
        }
        if !self.options.full
            && let Some(known) = self.previous.with_digest(&file.digest)
        {
            return Ok(Outcome::Known { known, file, changed: true });
        }
        if self.options.dry_run {
            return Ok(Outcome::Planned);
        }
        let refusal = match self.embedder.embed(&bytes, &self.options.limits.photo) {
            Ok(face) => {
                let values = face.embedding.values();
                if values.len() != self.identity.dims {
                    let reason = format!("its embedding has {} numbers, not {}", values.len(), self.identity.dims);
                    return Err(GalleryError::InvalidRow { source_path: photo.source.to_owned(), reason }.into());
                }
                if values.iter().all(|value| value.is_finite()) {
                    return Ok(Outcome::Embedded { face, file });
                }
                let message = "the embedding of its face holds a number that is not finite".to_owned();
                EnrolRefusal { code: "broken_embedding".into(), message }
            }
            Err(refusal) => refusal,
        };
        Ok(Outcome::Refused { refusal, file })
    }
}

/// What the generation will hold.
#[derive(Default)]
struct Contents<'a> {
    rows: Vec<Row<'a>>,
    skipped: Vec<SkippedRow<'a>>,
    planned: Vec<&'a str>,
    changed: bool,
}

impl<'a> Contents<'a> {
    fn add(&mut self, source: &'a str, outcome: &'a Outcome<'a>, report: &mut EnrolmentReport) {
        match outcome {
            Outcome::Known { known, file, changed } => {
                self.changed |= changed;
                self.keep(source, *known, *file, report);
            }
            Outcome::NotReadable { known, error } => {
                let (code, message) = (error.code().to_owned(), format!("{error}; what was known of it is kept"));
                report.warnings.push(EnrolWarning { photo: source.to_owned(), code, message });
                self.keep(source, *known, *known.file(), report);
            }
            Outcome::Embedded { face, file } => {
                report.embedded += 1;
                report.added += 1;
                self.changed = true;
                let row = Row {
                    image_name: image_name_of(source),
                    person: person_of(source),
                    source,
                    file: *file,
                    bbox: face.bbox,
                    score: face.score,
                    quality: face.quality,
                    faces_seen: face.faces_seen,
                    embedding: face.embedding.values(),
                };
                self.push_row(row, report);
            }
            Outcome::Refused { refusal, file } => {
                report.embedded += 1;
                self.changed = true;
                let message = shortened(&refusal.message);
                self.push_skipped(SkippedRow { source, file: *file, code: &refusal.code, message }, report);
            }
            Outcome::Skipped(error) => {
                let (code, message) = (error.code().to_owned(), error.to_string());
                report.skipped.push(SkippedPhoto { photo: source.to_owned(), code, message });
            }
            Outcome::Planned => {
                report.added += 1;
                self.planned.push(source);
            }
        }
    }

    fn keep(&mut self, source: &'a str, known: Known<'a>, file: SourceFile, report: &mut EnrolmentReport) {
        match known {
            Known::Enrolled(row) => {
                if row.source == source {
                    report.unchanged += 1;
                } else {
                    report.added += 1;
                }
                let (image_name, person) = (image_name_of(source), person_of(source));
                self.push_row(Row { image_name, person, source, file, ..row }, report);
            }
            Known::Skipped(skipped) => self.push_skipped(SkippedRow { source, file, ..skipped }, report),
        }
    }

    fn push_row(&mut self, row: Row<'a>, report: &mut EnrolmentReport) {
        if row.faces_seen > 1 {
            report.warnings.push(EnrolWarning {
                photo: row.source.to_owned(),
                code: "several_faces".into(),
                message: format!("{} faces; the largest is taken for {}", row.faces_seen, row.person),
            });
        }
        self.rows.push(row);
    }

    fn push_skipped(&mut self, skipped: SkippedRow<'a>, report: &mut EnrolmentReport) {
        report.skipped.push(SkippedPhoto {
            photo: skipped.source.to_owned(),
            code: skipped.code.to_owned(),
            message: skipped.message.to_owned(),
        });
        self.skipped.push(skipped);
    }
}

/// As much of a message as is worth keeping for every photo.
fn shortened(message: &str) -> &str {
    const LONGEST: usize = 500;
    &message[..message.floor_char_boundary(LONGEST)]
}

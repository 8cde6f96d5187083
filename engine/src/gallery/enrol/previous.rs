//! What the generation before knows of the photos.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use super::Photo;
use super::known_folder::person_of;
use super::outliers::UNLIKE;
use super::quality::LOW_QUALITY;
use crate::gallery::{Gallery, GalleryError, Row, SkippedRow, SourceFile, Verify};
use crate::model::EmbedderIdentity;

/// What became of a photo when it was last embedded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known<'a> {
    Enrolled(Row<'a>),
    Skipped(SkippedRow<'a>),
}

impl<'a> Known<'a> {
    pub(super) fn file(&self) -> &SourceFile {
        match self {
            Self::Enrolled(row) => &row.file,
            Self::Skipped(skipped) => &skipped.file,
        }
    }

    /// Whether it was left out because of the person's other photos, not for its own sake.
    pub(super) fn is_unlike(&self) -> bool {
        self.left_out() == Some(UNLIKE)
    }

    /// Whether it was left out because better faces were asked for.
    pub(super) fn is_low_quality(&self) -> bool {
        self.left_out() == Some(LOW_QUALITY)
    }

    /// The code of a photo that was left out though it could be enrolled.
    pub(super) fn left_out(&self) -> Option<&'a str> {
        match self {
            Self::Skipped(skipped) if [UNLIKE, LOW_QUALITY].contains(&skipped.code) => Some(skipped.code),
            _ => None,
        }
    }
}

/// The generation before, searchable by path and by content.
#[derive(Debug)]
pub(super) struct Previous<'a> {
    by_source: HashMap<&'a str, Known<'a>>,
    by_digest: OnceLock<HashMap<[u8; 32], Known<'a>>>,
}

impl<'a> Previous<'a> {
    pub(super) fn new(gallery: Option<&'a Gallery>) -> Self {
        let rows = gallery.into_iter().flat_map(|gallery| (0..gallery.rows()).map(|row| gallery.row(row)));
        let skipped = gallery.into_iter().flat_map(Gallery::skipped);
        let by_source = rows
            .map(|row| (row.source, Known::Enrolled(row)))
            .chain(skipped.map(|skipped| (skipped.source, Known::Skipped(skipped))))
            .collect();
        Self { by_source, by_digest: OnceLock::new() }
    }

    /// What is known of the photo at this path.
    pub(super) fn at(&self, source: &str) -> Option<Known<'a>> {
        self.by_source.get(source).copied()
    }

    /// What is known of a photo of this content, wherever it was.
    pub(super) fn with_digest(&self, digest: &[u8; 32]) -> Option<Known<'a>> {
        let by_digest = self.by_digest.get_or_init(|| {
            let own_merit = self.by_source.values().filter(|known| known.left_out().is_none());
            own_merit.map(|known| (known.file().digest, *known)).collect()
        });
        by_digest.get(digest).copied()
    }

    /// The people of whom a photo was left out as unlike the others, and whose photos, `photos` being all
    /// there are, are not the same any more.
    pub(super) fn people_unlike<'p>(&self, photos: &[Photo<'p>]) -> HashSet<&'p str> {
        if !self.by_source.values().any(Known::is_unlike) {
            return HashSet::new();
        }
        let mut counts_before: HashMap<&str, usize> = HashMap::new();
        for source in self.by_source.keys() {
            *counts_before.entry(person_of(source)).or_default() += 1;
        }
        let mut counts: HashMap<&'p str, usize> = HashMap::new();
        let mut changed = HashSet::new();
        for photo in photos {
            let person = person_of(photo.source);
            *counts.entry(person).or_default() += 1;
            let as_before = self.at(photo.source).is_some_and(|known| {
                let file = known.file();
                photo.found.is_none_or(|found| file.settled && found == (file.size, file.modified_ns))
            });
            if !as_before {
                changed.insert(person);
            }
        }
        changed.extend(
            counts.iter().filter(|(person, count)| counts_before.get(*person) != Some(count)).map(|(person, _)| person),
        );
        changed
    }

    /// The paths of photos that are `folder` or lie in it.
    pub(super) fn under(&self, folder: &str) -> impl Iterator<Item = &'a str> {
        self.by_source.keys().copied().filter(move |source| {
            source.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// Opens the generation to build upon; when there is none that can be used, the reason.
///
/// Every byte is checked, since rows are copied into a generation whose checksums would make a
/// damaged one look sound.
pub(super) fn open(dir: &Path, identity: &EmbedderIdentity) -> Result<Result<Gallery, Option<String>>, GalleryError> {
    match Gallery::open(dir, identity, Verify::Full) {
        Ok(gallery) => Ok(Ok(gallery)),
        Err(GalleryError::NoGeneration { .. }) => Ok(Err(None)),
        Err(
            error @ (GalleryError::MissingGeneration { .. }
            | GalleryError::BadCurrent { .. }
            | GalleryError::NotAnIndex { .. }
            | GalleryError::ByteOrder { .. }
            | GalleryError::WrongLength { .. }
            | GalleryError::Checksum { .. }
            | GalleryError::Malformed { .. }
            | GalleryError::OtherEmbedder { .. }),
        ) => Ok(Err(Some(error.to_string()))),
        // Such as an index of a later release, or one that may not be read: not to be replaced.
        Err(error) => Err(error),
    }
}

//! What the generation before knows of the photos.

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use crate::gallery::{Gallery, GalleryError, Row, SkippedRow, SourceFile, Verify};
use crate::model::EmbedderIdentity;

/// What became of a photo when it was last embedded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known<'a> {
    Enrolled(Row<'a>),
    Skipped(SkippedRow<'a>),
}

impl Known<'_> {
    pub(super) fn file(&self) -> &SourceFile {
        match self {
            Self::Enrolled(row) => &row.file,
            Self::Skipped(skipped) => &skipped.file,
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
        let by_digest =
            self.by_digest.get_or_init(|| self.by_source.values().map(|known| (known.file().digest, *known)).collect());
        by_digest.get(digest).copied()
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

//! Why a gallery could not be opened, written or searched.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use crate::embed::Metric;
use crate::model::EmbedderIdentity;

/// Why a gallery could not be opened, written or searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GalleryError {
    /// The folder is missing, or nothing was ever published in it.
    #[error("{}: holds no gallery yet; make one with: recognizer reindex", .dir.display())]
    NoGeneration {
        /// The index folder.
        dir: PathBuf,
    },
    /// `CURRENT` names a generation that is not there. No crash of a writer leaves this: somebody
    /// deleted the file. An older generation is not taken in its place, since it may hold people
    /// who were removed for a reason.
    #[error("{}: named by {} but missing; write it anew with: recognizer reindex", .path.display(), .current.display())]
    MissingGeneration {
        /// The file that is missing.
        path: PathBuf,
        /// The `CURRENT` file that names it.
        current: PathBuf,
    },
    /// `CURRENT` holds something else than the name of a generation.
    #[error("{}: does not name a generation; write it anew with: recognizer reindex", .path.display())]
    BadCurrent {
        /// The `CURRENT` file.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The new generation is the current one, and readers find it, but the disk did not confirm its
    /// name: a power cut may bring back the generation before.
    #[error("{}: generation {generation} is in use but may not outlast a power cut: {source}; check the disk and \
             write it anew with: recognizer reindex --full", .dir.display())]
    NotDurable {
        /// The index folder.
        dir: PathBuf,
        /// The new generation.
        generation: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no gallery index.
    #[error("{}: not a gallery index", .path.display())]
    NotAnIndex {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later release.
    #[error("{}: format version {found} is newer than {supported}, the latest this release reads; upgrade, \
             or choose another index folder", .path.display())]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// The version it has.
        found: u32,
        /// The latest version this release reads.
        supported: u32,
    },
    /// The machine's byte order is not the file's.
    #[error("{}: is little-endian, this machine is not; write it anew with: recognizer reindex", .path.display())]
    ByteOrder {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter or longer than its header says.
    #[error("{}: is {found} bytes, should be {expected}; write it anew with: recognizer reindex", .path.display())]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// The length that the header states.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// A section's bytes are not those that were written.
    #[error("{}: checksum of {section} is wrong, the file is damaged; write it anew with: recognizer reindex",
            .path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The part of it.
        section: String,
    },
    /// A section contradicts itself or the header.
    #[error("{}: {section}: {reason}; write it anew with: recognizer reindex", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The part of it.
        section: String,
        /// What is wrong.
        reason: String,
    },
    /// The embeddings come from another network and cannot be compared.
    #[error("{}: was written with embedder {}, this is embedder {}; write it anew with: recognizer reindex",
            .path.display(), describe(.found), describe(.expected))]
    OtherEmbedder {
        /// The file.
        path: PathBuf,
        /// The embedder that wrote it.
        found: Box<EmbedderIdentity>,
        /// The embedder in use.
        expected: Box<EmbedderIdentity>,
    },
    /// Another process is writing to the index.
    #[error("{}: another process is writing this index; wait until it is done", .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A row that must not be written.
    #[error("{source_path}: cannot be written to a gallery: {reason}")]
    InvalidRow {
        /// The photo.
        source_path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The probe is not an embedding of the gallery's embedder.
    #[error("the probe has {found} numbers, the gallery's embeddings have {expected}")]
    ProbeDims {
        /// Numbers in an embedding of the gallery.
        expected: usize,
        /// Numbers in the probe.
        found: usize,
    },
    /// The probe holds a NaN or an infinity.
    #[error("the probe holds a number that is not finite")]
    ProbeNotFinite,
}

impl GalleryError {
    /// For `map_err`: an input or output error of `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(super) fn malformed(path: &Path, section: &str, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), section: section.to_owned(), reason: reason.into() }
    }
}

/// Enough of an identity to tell two apart: `3f9a01c27be45d10 (128 numbers, cosine)`.
fn describe(identity: &EmbedderIdentity) -> String {
    let mut text = String::new();
    for byte in &identity.digest[..8] {
        let _ = write!(text, "{byte:02x}");
    }
    let metric = match identity.metric {
        Metric::Euclidean => "euclidean",
        Metric::Cosine => "cosine",
    };
    let _ = write!(text, " ({} numbers, {metric})", identity.dims);
    text
}

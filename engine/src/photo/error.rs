//! Why a photo could not be read.

use std::path::{Path, PathBuf};

/// A photo that could not be read: which one, and why.
#[derive(Debug, thiserror::Error)]
pub struct PhotoError {
    /// The file, when the photo came from one.
    pub path: Option<PathBuf>,
    /// Why.
    #[source]
    pub kind: PhotoErrorKind,
}

impl std::fmt::Display for PhotoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl PhotoError {
    /// The same error, naming `path`.
    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }
}

impl From<PhotoErrorKind> for PhotoError {
    fn from(kind: PhotoErrorKind) -> Self {
        Self { path: None, kind }
    }
}

/// The reasons a caller would treat differently.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhotoErrorKind {
    /// No such file.
    #[error("no such file")]
    NotFound,
    /// A directory, device, pipe or socket.
    #[error("not a regular file")]
    NotAFile,
    /// The path holds a NUL byte or is otherwise no path.
    #[error("not a usable path: {0}")]
    BadPath(String),
    /// The file may not be read.
    #[error("permission denied")]
    PermissionDenied,
    /// The file could not be read.
    #[error("could not be read: {0}")]
    Io(#[source] std::io::Error),
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is larger than [`super::Limits::max_file_bytes`].
    #[error("{bytes} bytes are more than the limit of {limit}")]
    FileTooLarge {
        /// Size of the file.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The header claims more pixels, or a longer side, or more memory than the limits allow.
    #[error("{width}×{height} pixels are over the limit ({limit})")]
    TooManyPixels {
        /// Width the header claims.
        width: u64,
        /// Height the header claims.
        height: u64,
        /// The limit that is exceeded, in words.
        limit: String,
    },
    /// The content is none of the supported formats.
    #[error("not an image in a supported format (JPEG, PNG, WebP, GIF, BMP, TIFF, PNM)")]
    UnknownFormat,
    /// The format is known but the content is broken beyond use.
    #[error("broken {format}: {reason}")]
    Broken {
        /// Name of the format.
        format: &'static str,
        /// What the decoder found.
        reason: String,
    },
}

impl PhotoErrorKind {
    /// A stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotAFile => "not_a_file",
            Self::BadPath(_) => "bad_path",
            Self::PermissionDenied => "permission_denied",
            Self::Io(_) => "unreadable",
            Self::Empty => "empty_file",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::UnknownFormat => "unknown_format",
            Self::Broken { .. } => "broken_image",
        }
    }
}

//! Why a command could not run to its end.

use std::io;

use facerecog_engine::gallery::{EnrolError, GalleryError};
use facerecog_engine::model::ModelError;
use facerecog_engine::photo::PhotoError;

/// Why a command stopped; each kind ends the process with its own status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The arguments ask for something that is not there or makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The work itself failed.
    #[error("{0}")]
    Failed(String),
    /// The answer could not be printed.
    #[error("could not write the answer: {0}")]
    Output(#[source] io::Error),
}

impl CliError {
    /// 2 for wrong usage, else 1.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) | Self::Output(_) => 1,
        }
    }

    /// Whether the reader of our output went away, as `head` does: nothing to complain about.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<ModelError> for CliError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::UnknownPack { .. } | ModelError::MissingFile { .. } => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<GalleryError> for CliError {
    fn from(error: GalleryError) -> Self {
        match error {
            GalleryError::NoGeneration { dir } => Self::Usage(format!(
                "no index of known people in {}; make one with: recognizer reindex KNOWN_FOLDER --index {}",
                dir.display(),
                dir.display()
            )),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<EnrolError> for CliError {
    fn from(error: EnrolError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<PhotoError> for CliError {
    fn from(error: PhotoError) -> Self {
        Self::Failed(error.to_string())
    }
}

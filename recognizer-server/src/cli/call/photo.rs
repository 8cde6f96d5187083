//! Photos as they are sent.

use std::path::{Path, PathBuf};

use clap::Args;

use super::CliError;
use crate::cli::ErrorRecord;
use crate::grpc::proto;

/// How photos are sent.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Sending {
    /// Read the photos here and send their bytes, instead of paths for the server to read
    #[arg(long)]
    bytes: bool,
}

impl Sending {
    /// The photo at `path`, for the server.
    pub(super) fn photo(self, path: &Path) -> Result<proto::Photo, CliError> {
        let source = if self.bytes {
            let content =
                std::fs::read(path).map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?;
            proto::photo::Source::Content(content.into())
        } else {
            let path = path
                .to_str()
                .ok_or_else(|| CliError::Usage(format!("{}: not UTF-8; send it with --bytes", path.display())))?;
            proto::photo::Source::Path(path.to_owned())
        };
        Ok(proto::Photo { source: Some(source) })
    }
}

/// Photos of a call.
#[derive(Debug, Args)]
pub(super) struct Photos {
    /// Photos
    #[arg(required = true, value_name = "PHOTO")]
    pub(super) photos: Vec<PathBuf>,
}

/// Why a photo of several has no answer.
pub(super) fn failure(status: &tonic::Status) -> ErrorRecord {
    ErrorRecord { code: super::client::reason(status), message: super::client::describe(status) }
}

//! Opening files that must be regular ones.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Why [`open_regular_file`] failed.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// A folder, device, pipe or socket.
    NotAFile,
    /// The system refused.
    Io(io::Error),
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotAFile => Self::other("not a regular file"),
            OpenError::Io(error) => error,
        }
    }
}

/// Opens `path` for reading when it is a regular file, or a symbolic link to one.
pub(crate) fn open_regular_file(path: &Path) -> Result<(File, Metadata), OpenError> {
    // Opening a pipe waits for a writer unless told not to, and a terminal would become ours.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(OpenError::Io)?;
    let metadata = file.metadata().map_err(OpenError::Io)?;
    // Asked of the open file, so that nobody can swap it between the question and the read.
    if metadata.is_file() { Ok((file, metadata)) } else { Err(OpenError::NotAFile) }
}

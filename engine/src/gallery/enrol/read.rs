//! Reading the file of a known photo, whatever it is.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::gallery::SourceFile;
use crate::photo::PhotoErrorKind;
use crate::regular_file::{OpenError, open_regular_file};

/// The coarsest step in which file systems count time, that of FAT.
const COARSEST_TIME_NS: i64 = 2_000_000_000;

/// The whole content of the file at `path`, at most `max_bytes`, and what tells later whether it
/// changed.
pub(super) fn read_photo(path: &Path, max_bytes: u64) -> Result<(Vec<u8>, SourceFile), PhotoErrorKind> {
    let (file, metadata) = open_regular_file(path).map_err(|error| match error {
        OpenError::NotAFile => PhotoErrorKind::NotAFile,
        OpenError::Io(error) => error_kind(error),
    })?;
    let too_large = |bytes| PhotoErrorKind::FileTooLarge { bytes, limit: max_bytes };
    if metadata.len() > max_bytes {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    (&file).take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(error_kind)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    let modified_ns = modified_ns(&metadata);
    let after = file.metadata().map_err(error_kind)?;
    if bytes.len() as u64 != after.len() || modified_ns != self::modified_ns(&after) {
        return Err(PhotoErrorKind::Io(io::Error::other("it was changed while it was read")));
    }
    let settled = now_ns().saturating_sub(modified_ns) > COARSEST_TIME_NS;
    let digest = *blake3::hash(&bytes).as_bytes();
    let file = SourceFile { size: bytes.len() as u64, modified_ns, settled, digest };
    Ok((bytes, file))
}

/// When a file was last changed, in nanoseconds since 1970.
pub(super) fn modified_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// The reason in the words used for every photo.
pub(super) fn error_kind(error: io::Error) -> PhotoErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => PhotoErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => PhotoErrorKind::PermissionDenied,
        _ => PhotoErrorKind::Io(error),
    }
}

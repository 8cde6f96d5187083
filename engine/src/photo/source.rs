//! Reading a photo's file without trusting what the path leads to.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

use super::{Limits, PhotoErrorKind};
use crate::regular_file::{OpenError, open_regular_file};

/// The content of the regular file at `path`.
pub(super) fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, PhotoErrorKind> {
    if path.as_os_str().is_empty() {
        return Err(PhotoErrorKind::BadPath("it is empty".into()));
    }
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(PhotoErrorKind::BadPath("it holds a NUL byte".into()));
    }
    let (file, metadata) = open_regular_file(path).map_err(|error| match error {
        OpenError::NotAFile => PhotoErrorKind::NotAFile,
        OpenError::Io(error) => why_not(error),
    })?;
    read_to_end(&file, &metadata, limits)
}

/// The content of a file that is open for reading, from where it stands.
pub(super) fn read_file(file: &File, limits: &Limits) -> Result<Vec<u8>, PhotoErrorKind> {
    let metadata = file.metadata().map_err(PhotoErrorKind::Io)?;
    if !metadata.is_file() {
        return Err(PhotoErrorKind::NotAFile);
    }
    read_to_end(file, &metadata, limits)
}

fn read_to_end(file: &File, metadata: &Metadata, limits: &Limits) -> Result<Vec<u8>, PhotoErrorKind> {
    if metadata.len() > 0 {
        limits.check_file(metadata.len())?;
    }
    // The size is only a hint: the file may grow meanwhile, and those in /proc claim to be empty.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(limits.max_file_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(PhotoErrorKind::Io)?;
    limits.check_file(bytes.len() as u64)?;
    Ok(bytes)
}

fn why_not(error: io::Error) -> PhotoErrorKind {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => PhotoErrorKind::NotFound,
        Some(Errno::ACCESS | Errno::PERM) => PhotoErrorKind::PermissionDenied,
        // What opening a socket, or a device without a driver, answers.
        Some(Errno::NXIO | Errno::NODEV) => PhotoErrorKind::NotAFile,
        _ => PhotoErrorKind::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;

    fn code(path: impl AsRef<Path>) -> &'static str {
        read(path.as_ref(), &Limits::default()).expect_err("must be refused").code()
    }

    #[test]
    fn refuses_what_is_not_a_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        for path in [folder.path(), &fifo, &socket, Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert_eq!(code(path), "not_a_file", "{}", path.display());
        }
    }

    #[test]
    fn refuses_paths_that_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        symlink(at("missing"), at("dangling")).unwrap();
        symlink(at("loop"), at("loop")).unwrap();
        for path in [at("missing"), at("dangling"), at("loop"), at("file/inside"), at(&"x".repeat(300))] {
            assert_eq!(code(&path), "not_found", "{}", path.display());
        }
        assert_eq!(code(""), "bad_path");
        assert_eq!(code("a\0b.jpg"), "bad_path");
    }

    #[test]
    fn refuses_files_that_may_not_be_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o000)).unwrap();
        if File::open(file.path()).is_ok() {
            println!("skipped: this user may read every file");
            return;
        }
        assert_eq!(code(file.path()), "permission_denied");
    }

    #[test]
    fn reads_no_more_than_the_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(code(file.path()), "empty_file");
        std::fs::write(file.path(), [7; 100]).unwrap();
        let limit = |max_file_bytes| Limits { max_file_bytes, ..Limits::default() };
        assert_eq!(read(file.path(), &limit(100)).unwrap(), [7; 100]);
        let error = read(file.path(), &limit(99)).unwrap_err();
        assert!(matches!(error, PhotoErrorKind::FileTooLarge { bytes: 100, limit: 99 }), "{error}");
        // Claims no size, so that only the read itself can tell.
        let endless = PathBuf::from("/proc/self/maps");
        assert_eq!(read(&endless, &limit(10)).unwrap_err().code(), "file_too_large");
    }
}

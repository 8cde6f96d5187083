//! The folders that photos are shown from, and no way out of them.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

/// Folders below which photos are shown.
#[derive(Debug)]
pub(crate) struct PhotoFolders(Vec<(PathBuf, OwnedFd)>);

impl PhotoFolders {
    /// Fails when a folder does not exist.
    pub(crate) fn open(folders: &[PathBuf]) -> io::Result<Self> {
        let open = |folder: &PathBuf| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = openat(CWD, folder, flags, Mode::empty()).map_err(io::Error::from);
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
            Ok((std::path::absolute(folder)?, opened.map_err(named)?))
        };
        folders.iter().map(open).collect::<io::Result<_>>().map(Self)
    }

    /// Opens the regular file at `path`, which begins with one of the folders. The kernel follows no link out of
    /// the folder, and a pipe does not wait.
    pub(super) fn photo(&self, path: &str) -> io::Result<File> {
        let path = std::path::absolute(path)?;
        let inside = |(folder, opened)| Some((path.strip_prefix::<&PathBuf>(folder).ok()?, opened));
        let mut outcome = Err(io::ErrorKind::NotFound.into());
        for (rest, folder) in self.0.iter().filter_map(|(folder, opened)| inside((folder, opened))) {
            outcome = open_below(folder, rest);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

fn open_below(folder: &OwnedFd, path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(folder, path, flags, Mode::empty(), resolve)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn photos_are_opened_below_the_folders_alone() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        for folder in ["in/sub", "second", "out", "in-evil"] {
            fs::create_dir_all(base.join(folder)).unwrap();
        }
        for file in ["in/a.jpg", "in/sub/b.jpg", "second/c.jpg"] {
            fs::write(base.join(file), "inside").unwrap();
        }
        for file in ["out/secret.jpg", "in-evil/secret.jpg"] {
            fs::write(base.join(file), "outside").unwrap();
        }
        let link = |target: PathBuf, name: &str| symlink(target, base.join("in").join(name)).unwrap();
        link("sub/b.jpg".into(), "good");
        link("../out/secret.jpg".into(), "relative");
        link(base.join("out/secret.jpg"), "absolute");
        link(base.join("out"), "folder");
        link("/proc/self/root".into(), "root");
        link("/dev/zero".into(), "device");
        link("loop".into(), "loop");
        assert!(Command::new("mkfifo").arg(base.join("in/fifo")).status().unwrap().success());

        let folders = PhotoFolders::open(&[base.join("in"), base.join("second")]).unwrap();
        let read = |path: &str| {
            let mut text = String::new();
            folders.photo(base.join(path).to_str().unwrap()).ok()?.read_to_string(&mut text).ok()?;
            Some(text)
        };
        for path in ["in/a.jpg", "in//sub/./b.jpg", "in/sub/../a.jpg", "in/good", "second/c.jpg"] {
            assert_eq!(read(path).as_deref(), Some("inside"), "{path}");
        }
        let secret = base.join("out/secret.jpg");
        let by_root = format!("in/root{}", secret.display());
        for path in [
            "out/secret.jpg",
            "in-evil/secret.jpg",
            "in/../out/secret.jpg",
            "in/sub/../../out/secret.jpg",
            "in/relative",
            "in/absolute",
            "in/folder/secret.jpg",
            &by_root,
            "in/device",
            "in/loop",
            "in/fifo",
            "in/sub",
            "in",
            "in/",
            "in/missing.jpg",
            "in/a.jpg\0",
            "/etc/hostname",
            "/proc/self/environ",
        ] {
            assert_eq!(read(path), None, "{path}");
        }
        assert!(folders.photo("").is_err());
        assert!(folders.photo("https://example.org/a.jpg").is_err());
    }

    #[test]
    fn folders_must_exist() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        let error = PhotoFolders::open(&[dir.path().join("nowhere")]).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
        assert!(PhotoFolders::open(&[dir.path().join("file")]).is_err());
    }
}

//! Putting photos into the folder of known people, and taking them out.
//!
//! Folders of people are opened from the known folder, one after the other and never through a symbolic
//! link: whatever was put into the folder, nothing outside of it is written or deleted.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use tonic::{Code, Status};

use super::status::refusal;

/// Begins the names of photos that are not whole yet. None of them counts as a photo.
const UNFINISHED: &str = ".enrolling-";

/// An unfinished photo of this age belongs to a server that died.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// The folder of known people, as it is written to.
#[derive(Debug, Clone)]
pub(super) struct KnownPhotos {
    folder: PathBuf,
}

/// Why a photo was not put in or taken out.
#[derive(Debug, thiserror::Error)]
pub(super) enum KnownPhotosError {
    /// There is a file of this name.
    #[error("{}: is there already", .0.display())]
    Exists(PathBuf),
    /// A link, or a file where a folder should be.
    #[error("{}: not a real folder; photos are put into and taken out of real folders alone", .0.display())]
    NotAFolder(PathBuf),
    /// The path does not stay in the folder.
    #[error("{0}: not the path of a known photo")]
    NotAPhoto(String),
    /// The system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: Errno,
    },
}

impl From<KnownPhotosError> for Status {
    fn from(error: KnownPhotosError) -> Self {
        let (code, reason) = match &error {
            KnownPhotosError::Exists(_) => (Code::AlreadyExists, "duplicate_name"),
            KnownPhotosError::NotAFolder(_) => (Code::FailedPrecondition, "not_a_real_folder"),
            KnownPhotosError::NotAPhoto(_) => (Code::Internal, "internal"),
            KnownPhotosError::Io { source, .. } => match *source {
                Errno::ROFS | Errno::ACCESS | Errno::PERM => (Code::FailedPrecondition, "known_folder_not_writable"),
                Errno::NOENT | Errno::NOTDIR => (Code::FailedPrecondition, "no_known_folder"),
                Errno::NAMETOOLONG | Errno::ILSEQ | Errno::INVAL => (Code::InvalidArgument, "bad_name"),
                Errno::NOSPC | Errno::DQUOT => (Code::FailedPrecondition, "disk_full"),
                _ => (Code::Internal, "known_folder_not_written"),
            },
        };
        refusal(code, reason, &error.to_string())
    }
}

impl KnownPhotos {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Puts a photo into the person's folder, which is made when there is none: whole or not at all, and
    /// never in the place of another. On the disk when this returns.
    ///
    /// `person` and `image_name` are names of files, without `/`.
    pub(super) fn add(&self, person: &str, image_name: &str, content: &[u8]) -> Result<(), KnownPhotosError> {
        let root = self.open()?;
        let made = match rustix::fs::mkdirat(&root, person, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(self.io(person)(error)),
        };
        let added = self.add_to(&root, person, made, image_name, content);
        if made && added.is_err() {
            // What another call has put into it meanwhile keeps the folder.
            let _ = rustix::fs::unlinkat(&root, person, AtFlags::REMOVEDIR);
        }
        added
    }

    fn add_to(
        &self,
        root: &OwnedFd,
        person: &str,
        made: bool,
        image_name: &str,
        content: &[u8],
    ) -> Result<(), KnownPhotosError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = self.open_folder(root, person, Path::new(person))?;
        let unfinished = format!("{UNFINISHED}{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(root, &unfinished, flags, Mode::from_raw_mode(0o666)).map_err(self.io(&unfinished))?;
        let place = Path::new(person).join(image_name);
        let mut file = File::from(file);
        let placed = file
            .write_all(content)
            .and_then(|()| file.sync_all())
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
            .and_then(|()| rename_to_free(root, &unfinished, &folder, image_name));
        if let Err(error) = placed {
            let _ = rustix::fs::unlinkat(root, &unfinished, AtFlags::empty());
            return Err(if error == Errno::EXIST { KnownPhotosError::Exists(place) } else { self.io(place)(error) });
        }
        sync(&folder).and_then(|()| if made { sync(root) } else { Ok(()) }).map_err(|error| {
            // What may be gone after a power cut was not put in.
            let _ = rustix::fs::unlinkat(&folder, image_name, AtFlags::empty());
            self.io(place)(error)
        })
    }

    /// Deletes the photo `source`, a path relative to the folder, and the folders it leaves empty; of a link
    /// the link. False when it is not there.
    pub(super) fn remove(&self, source: &str) -> Result<bool, KnownPhotosError> {
        let mut folders = Vec::new();
        let mut names: Vec<&str> = source.split('/').collect();
        if names.iter().any(|name| matches!(*name, "" | "." | "..")) {
            return Err(KnownPhotosError::NotAPhoto(source.to_owned()));
        }
        let file_name = names.pop().unwrap_or_default();
        let mut at = self.open()?;
        let mut path = PathBuf::new();
        for name in names {
            path.push(name);
            let folder = match self.open_folder(&at, name, &path) {
                Err(KnownPhotosError::Io { source: Errno::NOENT, .. }) => return Ok(false),
                folder => folder?,
            };
            folders.push((std::mem::replace(&mut at, folder), name));
        }
        match rustix::fs::unlinkat(&at, file_name, AtFlags::empty()) {
            Ok(()) => sync(&at).map_err(self.io(&path))?,
            Err(Errno::NOENT | Errno::ISDIR) => return Ok(false),
            Err(error) => return Err(self.io(source)(error)),
        }
        for (above, name) in folders.iter().rev() {
            if rustix::fs::unlinkat(above, *name, AtFlags::REMOVEDIR).is_err() {
                break;
            }
        }
        Ok(true)
    }

    /// Deletes what servers that died have left unfinished.
    pub(super) fn remove_abandoned(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let age = || SystemTime::now().duration_since(entry.metadata()?.modified()?).map_err(io::Error::other);
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
                && age().is_ok_and(|age| age > ABANDONED_AFTER)
                && let Err(error) = std::fs::remove_file(entry.path())
            {
                tracing::warn!(%error, "an unfinished photo was not removed from the known folder");
            }
        }
    }

    fn open(&self) -> Result<OwnedFd, KnownPhotosError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, &self.folder, flags, Mode::empty()).map_err(self.io(""))
    }

    /// The folder `name` in `above`; `path` is for people.
    fn open_folder(&self, above: &OwnedFd, name: &str, path: &Path) -> Result<OwnedFd, KnownPhotosError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(above, name, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => KnownPhotosError::NotAFolder(path.to_owned()),
            error => self.io(path)(error),
        })
    }

    /// For `map_err`: an error at `path`, which is relative to the folder.
    fn io(&self, path: impl AsRef<Path>) -> impl FnOnce(Errno) -> KnownPhotosError {
        let path = if path.as_ref().as_os_str().is_empty() { self.folder.clone() } else { self.folder.join(path) };
        move |source| KnownPhotosError::Io { path, source }
    }
}

/// Moves a file to a name that must be free.
fn rename_to_free(from: &OwnedFd, name: &str, to: &OwnedFd, free: &str) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, name, to, free, RenameFlags::NOREPLACE) {
        // Some file systems cannot say so.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_to_free(from, name, to, free),
        renamed => renamed,
    }
}

/// The same in two steps: a second name is refused where there is one already.
fn link_to_free(from: &OwnedFd, name: &str, to: &OwnedFd, free: &str) -> Result<(), Errno> {
    rustix::fs::linkat(from, name, to, free, AtFlags::empty())?;
    // The first name, should it stay, is one that is cleared away later.
    let _ = rustix::fs::unlinkat(from, name, AtFlags::empty());
    Ok(())
}

fn sync(folder: &OwnedFd) -> Result<(), Errno> {
    match rustix::fs::fsync(folder) {
        // Some network file systems have no such call for folders.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use facerecog_engine::gallery::is_photo;

    use super::*;

    fn place() -> (tempfile::TempDir, KnownPhotos) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("known")).unwrap();
        let photos = KnownPhotos::new(dir.path().join("known"));
        (dir, photos)
    }

    /// Every path below `dir`, sorted.
    fn files(dir: &Path) -> Vec<String> {
        let entries = walkdir::WalkDir::new(dir).min_depth(1).sort_by_file_name().into_iter().flatten();
        entries.map(|entry| entry.path().strip_prefix(dir).unwrap().display().to_string()).collect()
    }

    #[test]
    fn a_photo_is_put_in_once_and_taken_out_with_its_folder() {
        let (dir, photos) = place();
        photos.add("ada", "a.jpg", b"one").unwrap();
        assert!(matches!(photos.add("ada", "a.jpg", b"two"), Err(KnownPhotosError::Exists(_))));
        assert_eq!(std::fs::read(dir.path().join("known/ada/a.jpg")).unwrap(), b"one");
        assert_eq!(files(dir.path()), ["known", "known/ada", "known/ada/a.jpg"]);
        assert!(photos.remove("ada/a.jpg").unwrap());
        assert!(!photos.remove("ada/a.jpg").unwrap());
        assert_eq!(files(dir.path()), ["known"]);
    }

    #[test]
    fn both_ways_to_move_a_file_replace_none() {
        for way in [rename_to_free, link_to_free] {
            let (dir, photos) = place();
            let root = photos.open().unwrap();
            for name in ["one", "two"] {
                std::fs::write(dir.path().join("known").join(name), name).unwrap();
            }
            assert_eq!(way(&root, "one", &root, "two"), Err(Errno::EXIST));
            assert_eq!(way(&root, "one", &root, "three"), Ok(()));
            assert_eq!(files(dir.path()), ["known", "known/three", "known/two"]);
            assert_eq!(std::fs::read(dir.path().join("known/two")).unwrap(), b"two");
        }
    }

    #[test]
    fn nothing_goes_through_a_link() {
        let (dir, photos) = place();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        std::fs::write(dir.path().join("outside/a.jpg"), "x").unwrap();
        symlink(dir.path().join("outside"), dir.path().join("known/ada")).unwrap();
        symlink(dir.path().join("outside/a.jpg"), dir.path().join("known/link.jpg")).unwrap();
        std::fs::write(dir.path().join("known/file"), "x").unwrap();
        for person in ["ada", "file"] {
            assert!(matches!(photos.add(person, "b.jpg", b"x"), Err(KnownPhotosError::NotAFolder(_))), "{person}");
        }
        assert!(matches!(photos.remove("ada/a.jpg"), Err(KnownPhotosError::NotAFolder(_))));
        for source in ["../outside/a.jpg", "/outside/a.jpg", "./a.jpg", "ada//a.jpg", ""] {
            assert!(matches!(photos.remove(source), Err(KnownPhotosError::NotAPhoto(_))), "{source}");
        }
        // A link to a photo goes, the photo stays.
        assert!(photos.remove("link.jpg").unwrap());
        assert_eq!(files(dir.path()), ["known", "known/ada", "known/file", "outside", "outside/a.jpg"]);
    }

    #[test]
    fn a_photo_that_cannot_be_written_leaves_nothing() {
        let (dir, photos) = place();
        assert!(photos.add("ada", &"x".repeat(300), b"x").is_err());
        assert_eq!(files(dir.path()), ["known"]);
        std::fs::remove_dir(dir.path().join("known")).unwrap();
        let status = Status::from(photos.add("ada", "a.jpg", b"x").unwrap_err());
        assert_eq!(status.code(), Code::FailedPrecondition);
    }

    #[test]
    fn what_a_dead_server_left_is_no_photo_and_goes() {
        let (dir, photos) = place();
        let old = dir.path().join("known").join(format!("{UNFINISHED}1-0"));
        let young = dir.path().join("known").join(format!("{UNFINISHED}2-0"));
        for path in [&old, &young] {
            std::fs::write(path, "x").unwrap();
            assert!(!is_photo(path.file_name().unwrap().to_str().unwrap()));
        }
        let long_ago = SystemTime::now() - 2 * ABANDONED_AFTER;
        File::options().append(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        photos.remove_abandoned();
        assert_eq!((old.exists(), young.exists()), (false, true));
    }
}

//! Folders that photos may be read from, and no way out of them.
//!
//! What a path leads to is opened first, without any effect on it, and only then is the kernel asked
//! where that is. The same open file is read in the end, so that nothing can be swapped in between:
//! not a link, not a folder, not the file. Links may be used freely as long as they end inside.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use facerecog_engine::photo::PhotoErrorKind;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;

/// Symbolic links followed of one path, as many as the kernel follows.
const MOST_LINKS: usize = 40;

/// Longest path that the kernel takes, in bytes, the closing NUL included.
const PATH_MAX: usize = 4096;

/// Folders below which photos may be read; any photo when there are none.
#[derive(Debug, Clone)]
pub(super) struct PhotoRoots(Arc<[OwnedFd]>);

/// Why a photo is not opened.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is in none of the folders, whether there is one or not.
    Outside,
    /// It is in one of them, but cannot be read.
    Unreadable(PhotoErrorKind),
}

impl PhotoRoots {
    /// Fails when a folder does not exist, and where the system does not tell where open files are.
    pub(super) fn new(roots: &[PathBuf]) -> io::Result<Self> {
        let open = |root: &PathBuf| {
            let folder = handle(CWD, root.as_os_str(), OFlags::DIRECTORY)?;
            if location(&folder)? == root.canonicalize()? {
                return Ok(folder);
            }
            Err(io::Error::other("cannot be told apart from others; is /proc mounted?"))
        };
        let named = |root: &PathBuf| {
            open(root).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", root.display())))
        };
        roots.iter().map(named).collect::<io::Result<_>>().map(Self)
    }

    /// Whether any photo may be read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Opens the regular file at `path` for reading.
    pub(super) fn open(&self, path: &Path) -> Result<File, Refusal> {
        let bad_path = |reason: &str| Err(Refusal::Unreadable(PhotoErrorKind::BadPath(reason.into())));
        if path.as_os_str().is_empty() {
            return bad_path("it is empty");
        }
        if path.as_os_str().as_bytes().contains(&0) {
            return bad_path("it holds a NUL byte");
        }
        if path.as_os_str().len() >= PATH_MAX {
            // There can be no such file, here or elsewhere.
            return Err(Refusal::Unreadable(PhotoErrorKind::NotFound));
        }
        let found = match handle(CWD, path.as_os_str(), OFlags::empty()) {
            Ok(found) => found,
            // The server's trouble, wherever the path leads to.
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
                return Err(Refusal::Unreadable(PhotoErrorKind::Io(errno.into())));
            }
            Err(errno) if last_folder(path).is_ok_and(|folder| self.hold(&folder)) => {
                return Err(Refusal::Unreadable(why_not(errno)));
            }
            Err(_) => return Err(Refusal::Outside),
        };
        if !self.hold(&found) {
            return Err(Refusal::Outside);
        }
        let unreadable = |errno| Refusal::Unreadable(why_not(errno));
        if FileType::from_raw_mode(fstat(&found).map_err(unreadable)?.st_mode) != FileType::RegularFile {
            return Err(Refusal::Unreadable(PhotoErrorKind::NotAFile));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(CWD, in_proc(&found), flags, Mode::empty()).map(File::from).map_err(unreadable)
    }

    /// Whether an open file or folder is in one of the folders, or is one of them.
    fn hold(&self, found: &OwnedFd) -> bool {
        // Folders are asked as well where they are: they may have been moved since they were opened.
        let is_below =
            |place: &Path| self.0.iter().any(|root| location(root).is_ok_and(|root| place.starts_with(root)));
        location(found).is_ok_and(|place| is_below(&place))
    }
}

/// Opens what is at `path` without touching it: a pipe does not wait, a device does not notice.
fn handle(folder: impl AsFd, path: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    openat(folder, path, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty())
}

/// Where an open file is, as the kernel knows it. Something that is nowhere, such as a pipe, has a
/// location that is no absolute path, and a deleted file one with a word added.
fn location(open: &OwnedFd) -> rustix::io::Result<PathBuf> {
    let target = readlinkat(CWD, in_proc(open), Vec::new())?;
    Ok(OsString::from_vec(target.into_bytes()).into())
}

fn in_proc(open: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", open.as_raw_fd()).into()
}

/// The folder in which looking up a path that leads nowhere ends. A missing file is the caller's to
/// know of only when that folder is, which the words of the path do not tell: links may lead anywhere.
fn last_folder(path: &Path) -> rustix::io::Result<OwnedFd> {
    let mut folder = handle(CWD, OsStr::new("."), OFlags::DIRECTORY)?;
    let mut left = steps(path);
    let mut links = 0;
    while let Some(step) = left.pop() {
        let Ok(next) = handle(&folder, &step, OFlags::NOFOLLOW) else { break };
        match FileType::from_raw_mode(fstat(&next)?.st_mode) {
            FileType::Directory => folder = next,
            FileType::Symlink if links < MOST_LINKS => {
                links += 1;
                let target = readlinkat(&next, "", Vec::new())?;
                left.extend(steps(Path::new(OsStr::from_bytes(target.as_bytes()))));
            }
            _ => break,
        }
    }
    Ok(folder)
}

/// The parts of a path, the first one last.
fn steps(path: &Path) -> Vec<OsString> {
    path.components().rev().map(Component::as_os_str).map(OsStr::to_owned).collect()
}

fn why_not(errno: Errno) -> PhotoErrorKind {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP => PhotoErrorKind::NotFound,
        Errno::ACCESS | Errno::PERM => PhotoErrorKind::PermissionDenied,
        errno => PhotoErrorKind::Io(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Two allowed folders, one beside them, and every kind of link between them.
    struct Tree {
        _dir: tempfile::TempDir,
        base: PathBuf,
        roots: PhotoRoots,
    }

    impl Tree {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let base = dir.path().canonicalize().unwrap();
            for folder in ["in/sub", "second", "out", "in-evil"] {
                fs::create_dir_all(base.join(folder)).unwrap();
            }
            for (file, content) in [
                ("in/a.jpg", "inside"),
                ("in/sub/b.jpg", "inside"),
                ("second/c.jpg", "inside"),
                ("out/secret.jpg", "outside"),
                ("in-evil/secret.jpg", "outside"),
            ] {
                fs::write(base.join(file), content).unwrap();
            }
            let link = |target: PathBuf, name: &str| symlink(target, base.join("in").join(name)).unwrap();
            link("../out/secret.jpg".into(), "relative");
            link(base.join("out/secret.jpg"), "absolute");
            link(base.join("out"), "folder");
            link("chain2".into(), "chain");
            link("sub/chain3".into(), "chain2");
            link("../relative".into(), "sub/chain3");
            link("../out/missing.jpg".into(), "dangling_out");
            link("missing.jpg".into(), "dangling");
            link("loop".into(), "loop");
            link("/proc/self/root".into(), "proc_root");
            link("/proc/self/fd/0".into(), "proc_fd");
            link("/dev/zero".into(), "device_link");
            link("sub/b.jpg".into(), "good_relative");
            link(base.join("in/sub"), "good_folder");
            link(base.join("second/c.jpg"), "good_between");
            link("good_relative".into(), "good_chain");
            assert!(Command::new("mkfifo").arg(base.join("in/fifo")).status().unwrap().success());
            let roots = PhotoRoots::new(&[base.join("in"), base.join("second")]).unwrap();
            Self { _dir: dir, base, roots }
        }

        /// What is read, or why it is not.
        fn read(&self, path: impl AsRef<Path>) -> String {
            match self.roots.open(&self.base.join(path)) {
                Ok(mut file) => {
                    let mut content = String::new();
                    file.read_to_string(&mut content).unwrap();
                    content
                }
                Err(Refusal::Outside) => "refused".into(),
                Err(Refusal::Unreadable(kind)) => kind.code().into(),
            }
        }
    }

    #[test]
    fn no_way_leads_out() {
        let tree = Tree::new();
        let descriptor = File::open(tree.base.join("out/secret.jpg")).unwrap();
        let by_descriptor = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let root = Path::new("/proc/self/root").join(tree.base.join("out/secret.jpg").strip_prefix("/").unwrap());
        let from_here = pathdiff(&tree.base.join("out/secret.jpg"));
        let outside = [
            "out/secret.jpg",
            "in/../out/secret.jpg",
            "in/sub/../../out/secret.jpg",
            "in//..//out///secret.jpg",
            "in/./../out/./secret.jpg",
            "in-evil/secret.jpg",
            "in/relative",
            "in/absolute",
            "in/folder/secret.jpg",
            "in/folder/../out/secret.jpg",
            "in/folder",
            "in/folder/",
            "in/chain",
            "in/proc_root/etc/passwd",
            "in/proc_fd",
            "in/device_link",
            "in/..",
            "/etc/passwd",
            "/proc/self/environ",
            "/proc/self/cwd",
            "/proc/self/fd",
            "/dev/stdin",
            "/dev/zero",
            "/",
            by_descriptor.as_str(),
            root.to_str().unwrap(),
            from_here.to_str().unwrap(),
        ];
        for path in outside {
            assert_eq!(tree.read(path), "refused", "{path}");
        }
    }

    /// `path` relative to the working directory.
    fn pathdiff(path: &Path) -> PathBuf {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        let ups = here.components().skip(1).map(|_| "..");
        ups.collect::<PathBuf>().join(path.strip_prefix("/").unwrap())
    }

    #[test]
    fn links_that_stay_inside_are_followed() {
        let tree = Tree::new();
        for path in [
            "in/a.jpg",
            "in//sub/./b.jpg",
            "in/sub/../a.jpg",
            "out/../in/a.jpg",
            "in/folder/../in/a.jpg",
            "in/good_relative",
            "in/good_folder/b.jpg",
            "in/good_between",
            "in/good_chain",
            "second/c.jpg",
        ] {
            assert_eq!(tree.read(path), "inside", "{path}");
        }
        // The name of a file inside that is elsewhere as well: by which name it is there, cannot be told.
        fs::hard_link(tree.base.join("out/secret.jpg"), tree.base.join("in/hard")).unwrap();
        assert_eq!(tree.read("in/hard"), "outside");
    }

    #[test]
    fn what_is_missing_is_told_inside_alone() {
        let tree = Tree::new();
        for path in ["in/missing.jpg", "in/sub/no/b.jpg", "in/dangling", "in/loop", "in/a.jpg/", "in/a.jpg/b"] {
            assert_eq!(tree.read(path), "not_found", "{path}");
        }
        assert_eq!(tree.read(format!("in/{}", "x".repeat(300))), "not_found");
        assert_eq!(tree.read(format!("out/{}secret.jpg", "./".repeat(3000))), "not_found");
        for path in [
            "out/missing.jpg",
            "in/../out/missing.jpg",
            "in/dangling_out",
            "in/folder/missing.jpg",
            "in/folder/secret.jpg/x",
            "missing/a.jpg",
            "/missing",
        ] {
            assert_eq!(tree.read(path), "refused", "{path}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting() {
        let tree = Tree::new();
        for path in ["in/fifo", "in", "in/", "in/sub"] {
            assert_eq!(tree.read(path), "not_a_file", "{path}");
        }
        assert_eq!(tree.read("in/a.jpg\0.png"), "bad_path");
        assert!(matches!(tree.roots.open(Path::new("")), Err(Refusal::Unreadable(PhotoErrorKind::BadPath(_)))));
    }

    #[test]
    fn a_link_swapped_all_the_time_never_leads_out() {
        let tree = Tree::new();
        let (link, spare) = (tree.base.join("in/swapped"), tree.base.join("in/spare"));
        let swap = |target: &str| {
            symlink(target, &spare).unwrap();
            fs::rename(&spare, &link).unwrap();
        };
        swap("a.jpg");
        let done = AtomicBool::new(false);
        let mut counts = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    swap("../out/secret.jpg");
                    swap("a.jpg");
                }
            });
            // Until both have been met often; the swapping thread may have to wait for a core.
            while counts.0 < 2000 || counts.1 < 2000 {
                match tree.read("in/swapped").as_str() {
                    "inside" => counts.0 += 1,
                    "refused" => counts.1 += 1,
                    other => {
                        done.store(true, Ordering::Relaxed);
                        panic!("{other}");
                    }
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_folder_that_moves_away_takes_the_permission_with_it() {
        let tree = Tree::new();
        fs::rename(tree.base.join("in"), tree.base.join("moved")).unwrap();
        fs::rename(tree.base.join("out"), tree.base.join("in")).unwrap();
        assert_eq!(tree.read("in/secret.jpg"), "refused");
        assert_eq!(tree.read("moved/a.jpg"), "inside");
    }

    #[test]
    fn folders_must_exist() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        assert!(PhotoRoots::new(&[dir.path().join("nowhere")]).is_err());
        assert!(PhotoRoots::new(&[dir.path().join("file")]).is_err());
        assert!(PhotoRoots::new(&[]).unwrap().is_empty());
    }
}

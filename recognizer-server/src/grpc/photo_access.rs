//! Reading photos for callers: from the allowed folders alone, within limits.

use std::io;
use std::path::{Component, Path, PathBuf};

use facerecog_engine::photo::{self, Limits, Photo};
use tonic::{Code, Status};

use super::status::{photo_status, status};

/// Opens and decodes the photos that callers name.
#[derive(Debug, Clone)]
pub(super) struct PhotoAccess {
    pub(super) roots: PhotoRoots,
    pub(super) limits: Limits,
}

impl PhotoAccess {
    /// The photo at `path`. Decodes: not for the network's threads.
    pub(super) fn open(&self, path: &Path) -> Result<Photo, Status> {
        self.check(path)?;
        Photo::open(path, &self.limits).map_err(|error| photo_status(&error))
    }

    /// The content of the photo at `path`.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, Status> {
        self.check(path)?;
        photo::read(path, &self.limits).map_err(|error| photo_status(&error))
    }

    /// The photo with this content.
    pub(super) fn decode(&self, content: &[u8]) -> Result<Photo, Status> {
        Photo::decode(content, &self.limits).map_err(|error| photo_status(&error))
    }

    fn check(&self, path: &Path) -> Result<(), Status> {
        if self.roots.allow(path) {
            return Ok(());
        }
        let message = format!("{}: outside the folders that photos are read from", path.display());
        Err(status(Code::PermissionDenied, &message))
    }
}

/// Folders below which photos may be read; any photo when there are none.
#[derive(Debug, Clone)]
pub(super) struct PhotoRoots(Vec<PathBuf>);

impl PhotoRoots {
    /// Fails when a folder does not exist.
    pub(super) fn new(roots: &[PathBuf]) -> io::Result<Self> {
        let resolve = |root: &PathBuf| {
            root.canonicalize().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", root.display())))
        };
        roots.iter().map(resolve).collect::<io::Result<_>>().map(Self)
    }

    /// Whether `path` may be read. Links are followed; of a path that does not exist, the words decide,
    /// so that an answer tells nothing of what lies outside.
    pub(super) fn allow(&self, path: &Path) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some(path) = path.canonicalize().ok().or_else(|| absolute(path)) else { return false };
        self.0.iter().any(|root| path.starts_with(root))
    }
}

/// `path` from the root of the file system, with `.` and `..` taken out.
fn absolute(path: &Path) -> Option<PathBuf> {
    let mut absolute = PathBuf::new();
    for component in std::path::absolute(path).ok()?.components() {
        match component {
            Component::ParentDir => {
                absolute.pop();
            }
            component => absolute.push(component),
        }
    }
    Some(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_read_by_any_way() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        for folder in ["in", "out"] {
            std::fs::create_dir(base.join(folder)).unwrap();
            std::fs::write(base.join(folder).join("a.jpg"), "x").unwrap();
        }
        std::os::unix::fs::symlink(base.join("out/a.jpg"), base.join("in/link.jpg")).unwrap();
        let roots = PhotoRoots::new(&[base.join("in")]).unwrap();
        for (path, allowed) in [
            ("in/a.jpg", true),
            ("in/missing.jpg", true),
            ("out/a.jpg", false),
            ("out/missing.jpg", false),
            ("in/../out/a.jpg", false),
            ("in/../out/missing.jpg", false),
            ("in/link.jpg", false),
            ("inside.jpg", false),
        ] {
            assert_eq!(roots.allow(&base.join(path)), allowed, "{path}");
        }
        assert!(PhotoRoots::new(&[]).unwrap().allow(Path::new("/anything")));
        assert!(PhotoRoots::new(&[base.join("nowhere")]).is_err());
    }
}

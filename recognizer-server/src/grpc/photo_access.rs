//! Reading photos for callers: from the allowed folders alone, within limits.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use facerecog_engine::photo::{self, Limits, Photo, PhotoError};
use tonic::{Code, Status};

use super::photo_roots::{PhotoRoots, Refusal};
use super::status::{photo_status, refusal};

/// Opens and decodes the photos that callers name or send.
#[derive(Debug, Clone)]
pub(super) struct PhotoAccess {
    pub(super) roots: PhotoRoots,
    pub(super) limits: Limits,
}

/// A photo as a caller gives it.
#[derive(Debug)]
pub(super) enum PhotoSource {
    /// The content of the file.
    Bytes(Bytes),
    /// A path as the server sees it.
    Path(PathBuf),
}

// All of them read or decode: not for the network's threads.
impl PhotoAccess {
    /// The photo that a caller gives.
    pub(super) fn load(&self, source: &PhotoSource) -> Result<Photo, Status> {
        match source {
            PhotoSource::Bytes(bytes) => self.decode(bytes),
            PhotoSource::Path(path) => self.open(path),
        }
    }

    /// The photo at `path`.
    pub(super) fn open(&self, path: &Path) -> Result<Photo, Status> {
        let bytes = self.read(path)?;
        Photo::decode(&bytes, &self.limits).map_err(|error| photo_status(&error.at(path)))
    }

    /// The content of the file at `path`, not decoded.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, Status> {
        if self.roots.is_empty() {
            return photo::read(path, &self.limits).map_err(|error| photo_status(&error));
        }
        let file = self.roots.open(path).map_err(|refused| match refused {
            Refusal::Outside => {
                let message = format!("{}: outside the folders that photos are read from", path.display());
                refusal(Code::PermissionDenied, "outside_roots", &message)
            }
            Refusal::Unreadable(kind) => photo_status(&PhotoError::from(kind).at(path)),
        })?;
        photo::read_file(&file, &self.limits).map_err(|error| photo_status(&error.at(path)))
    }

    /// The photo that `bytes` are the file of.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Photo, Status> {
        Photo::decode(bytes, &self.limits).map_err(|error| photo_status(&error))
    }
}

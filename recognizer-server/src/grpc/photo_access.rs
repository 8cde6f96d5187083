//! Reading photos for callers: from the allowed folders alone, within limits.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use facerecog_engine::photo::{self, Limits, PhotoError, ReducedPhoto};
use facerecog_engine::recognizer::Recognizer;
use tonic::{Code, Status};

use super::jobs::Place;
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

/// The file of a photo, in memory.
#[derive(Debug)]
pub(super) struct PhotoFile {
    pub(super) content: Bytes,
    /// Where it was read from, for errors.
    path: Option<PathBuf>,
    /// How long it took to read it.
    pub(super) reading: Duration,
    /// Pixels that its header claims; 0 where that is nothing, or more than is decoded.
    pub(super) pixels: u64,
}

impl PhotoAccess {
    /// The file of the photo that a caller gives, read while `place` is held.
    pub(super) async fn fetch(&self, source: PhotoSource, place: Place) -> Result<(Place, PhotoFile), Status> {
        match source {
            PhotoSource::Bytes(content) => {
                let pixels = self.pixels(&content);
                Ok((place, PhotoFile { content, path: None, reading: Duration::ZERO, pixels }))
            }
            PhotoSource::Path(path) => {
                let photos = self.clone();
                let read = move || {
                    let start = Instant::now();
                    let content = photos.read(&path)?;
                    let pixels = photos.pixels(&content);
                    Ok(PhotoFile { content: content.into(), path: Some(path), reading: start.elapsed(), pixels })
                };
                place.read(read).await
            }
        }
    }

    /// The photo of a file, as large as `recognizer` needs it for faces of at least `min_face` pixels: not for the
    /// network's threads.
    pub(super) fn decode<'a>(
        &'a self,
        file: &'a PhotoFile,
        recognizer: &Recognizer,
        min_face: f32,
    ) -> Result<ReducedPhoto<'a>, Status> {
        recognizer.decode(&file.content, &self.limits, min_face).map_err(|error| {
            photo_status(&match &file.path {
                Some(path) => error.at(path),
                None => error,
            })
        })
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

    fn pixels(&self, content: &[u8]) -> u64 {
        let (width, height) = photo::claimed_size(content).unwrap_or_default();
        let pixels = u64::from(width) * u64::from(height);
        if pixels <= self.limits.max_pixels { pixels } else { 0 }
    }
}

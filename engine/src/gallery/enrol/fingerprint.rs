//! Telling whether a folder of known people has changed.

use std::path::Path;

use super::EnrolError;
use super::known_folder::KnownFolder;
use super::read::modified_ns;

/// Tells whether what [`enrol`](super::enrol()) would read of a folder has changed: names, sizes and times of
/// the photos, those that cannot be read included. Listing is all that works alike on local disks, network
/// folders and the mounts of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFolderFingerprint([u8; 32]);

impl KnownFolderFingerprint {
    /// Of the folder at `known` as it is now; all folders of more than `max_photos` photos have the same.
    ///
    /// # Errors
    /// [`EnrolError::KnownFolder`] when there is no such folder, or it cannot be read.
    pub fn of(known: &Path, max_photos: usize) -> Result<Self, EnrolError> {
        let listing = match KnownFolder::open(known)?.list(max_photos) {
            Ok(listing) => listing,
            Err(EnrolError::TooManyPhotos { .. }) => return Ok(Self([0; 32])),
            Err(error) => return Err(error),
        };
        let mut hasher = blake3::Hasher::new();
        // A length before each text: no two listings give the same bytes.
        let mut add = |text: &str, numbers: [i64; 2]| {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            for number in numbers {
                hasher.update(&number.to_le_bytes());
            }
        };
        for photo in &listing.photos {
            add(&photo.source, [photo.metadata.len().cast_signed(), modified_ns(&photo.metadata)]);
        }
        for skipped in &listing.skipped {
            add(&skipped.photo, [-1, 0]);
            add(&skipped.code, [-1, 0]);
        }
        for (source, error) in &listing.unreadable {
            add(source, [-2, error.raw_os_error().unwrap_or_default().into()]);
        }
        Ok(Self(*hasher.finalize().as_bytes()))
    }
}

//! The repository's own photos, all in the public domain.

use std::path::{Path, PathBuf};

use facerecog_engine::photo::{Limits, Photo};

/// Of the repository's root, where `known_people/` and `examples/` are.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(relative)
}

/// A photo's file.
pub(crate) fn bytes(relative: &str) -> Vec<u8> {
    let path = path(relative);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A photo's pixels.
pub(crate) fn open(relative: &str) -> Photo {
    decode(&bytes(relative))
}

/// The pixels of a photo's file.
pub(crate) fn decode(bytes: &[u8]) -> Photo {
    Photo::decode(bytes, &Limits::default()).expect("a photo of the repository decodes")
}

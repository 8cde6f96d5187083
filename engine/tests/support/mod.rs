//! The shared folder of photos and reference values that some tests measure against.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

pub(crate) mod exif;
pub(crate) mod peers;
mod shared_folder;

use std::path::{Path, PathBuf};

use facerecog_engine::detect::DetectOptions;
use facerecog_engine::model::Manifest;
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::Recognizer;

pub(crate) use shared_folder::shared;

/// A recognizer of one of the manifest's packs.
pub(crate) fn recognizer(pack: &str, shared: &Path) -> Recognizer {
    let pack = Manifest::builtin().pack(pack, Some(&shared.join("models"))).expect("the pack is complete");
    Recognizer::new(pack, DetectOptions::default()).expect("the pack loads")
}

/// A photo that must decode.
pub(crate) fn open(path: &Path) -> Photo {
    Photo::open(path, &Limits::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Every photo below `dir`, sorted.
pub(crate) fn photos(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "jpg" || e == "jpeg" || e == "png") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

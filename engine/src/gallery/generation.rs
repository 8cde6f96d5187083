//! File names in an index folder, and which generation is the current one.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::GalleryError;
use crate::regular_file::open_regular_file;

/// Names the current generation.
pub(super) const CURRENT: &str = "CURRENT";
/// Held by the writer.
pub(super) const LOCK: &str = "LOCK";

/// `gallery.<n>.idx`.
pub(super) fn file_name(generation: u64) -> String {
    format!("gallery.{generation}.idx")
}

/// The inverse of [`file_name`]. The largest number is not a generation, so that every generation
/// has a successor.
pub(super) fn parse_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("gallery.")?.strip_suffix(".idx")?;
    let generation: u64 = digits.parse().ok()?;
    // Refuses the other spellings that `parse` takes: +7, 007.
    (generation < u64::MAX && file_name(generation) == name).then_some(generation)
}

/// The generation that `dir` presently offers; `None` when nothing was published there yet. A
/// number that differs from [`Gallery::generation`](super::Gallery::generation) means that there is
/// something new to open.
pub fn current_generation(dir: &Path) -> Result<Option<u64>, GalleryError> {
    /// More than the longest name, `gallery.18446744073709551614.idx`, with room for a line end.
    const LONGEST: u64 = 64;
    let path = dir.join(CURRENT);
    let mut text = Vec::new();
    let read = open_regular_file(&path)
        .map_err(io::Error::from)
        .and_then(|(file, _)| file.take(LONGEST).read_to_end(&mut text));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(GalleryError::io(&path)(error)),
    }
    let name = std::str::from_utf8(&text).ok().map(str::trim_end);
    match name.and_then(parse_file_name) {
        Some(generation) => Ok(Some(generation)),
        None => Err(GalleryError::BadCurrent { path }),
    }
}

/// Every generation file in `dir`, in no order.
pub(super) fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, GalleryError> {
    let mut generations = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(GalleryError::io(dir))? {
        let entry = entry.map_err(GalleryError::io(dir))?;
        if let Some(generation) = entry.file_name().to_str().and_then(parse_file_name) {
            generations.push((generation, entry.path()));
        }
    }
    Ok(generations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for generation in [0, 1, 42, u64::MAX - 1] {
            assert_eq!(parse_file_name(&file_name(generation)), Some(generation));
        }
        for name in [
            "gallery.18446744073709551615.idx",
            "gallery.18446744073709551616.idx",
            "gallery.+7.idx",
            "gallery.007.idx",
            "gallery.-1.idx",
            "gallery..idx",
            "gallery.7.idx.tmp",
            "../gallery.7.idx",
            "CURRENT",
            "",
        ] {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }
}

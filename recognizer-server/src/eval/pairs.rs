//! The list of pairs: CSV files with the columns `fold,same,image_a,image_b`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

/// Two photos, and whether they show the same person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Pair {
    /// Part of the list that is tested together.
    pub(crate) fold: u32,
    /// Whether both photos show one person; `1`/`0` or `true`/`false` in the file.
    #[serde(deserialize_with = "flag")]
    pub(crate) same: bool,
    /// One photo, relative to the root folder.
    pub(crate) image_a: PathBuf,
    /// The other.
    pub(crate) image_b: PathBuf,
}

/// Why a list of pairs could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairsError {
    /// The file cannot be opened, or a line is no pair.
    #[error("{}: {reason}; the columns are fold,same,image_a,image_b", .path.display())]
    Unreadable { path: PathBuf, reason: String },
}

/// The pairs of one file.
pub(crate) fn read_pairs(path: &Path) -> Result<Vec<Pair>, PairsError> {
    let unreadable = |error: csv::Error| PairsError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(unreadable)?;
    reader.deserialize().map(|pair| pair.map_err(unreadable)).collect()
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        other => Err(serde::de::Error::custom(format!("same must be 1 or 0, not {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Pair>, PairsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_pairs(file.path())
    }

    #[test]
    fn columns_are_found_by_name() {
        let pairs = read("same,fold,image_a,image_b\n1,3,a b.jpg,\"c,d.jpg\"\nFalse,0,e.jpg,f.jpg\n").unwrap();
        let pair = |fold, same, a: &str, b: &str| Pair { fold, same, image_a: a.into(), image_b: b.into() };
        assert_eq!(pairs, [pair(3, true, "a b.jpg", "c,d.jpg"), pair(0, false, "e.jpg", "f.jpg")]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for text in ["fold,same,image_a,image_b\n0,1,a,b\n0,maybe,a,b\n", "fold,same,image_a\n0,1,a\n"] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains("line"), "{message}");
        }
    }
}

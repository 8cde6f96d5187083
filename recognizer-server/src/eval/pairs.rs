//! The list of pairs: CSV files with the columns `fold,same,image_a,image_b` and, if wanted, `group`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use super::csv_list::read_lines;

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
    /// What results are told apart by.
    #[serde(default)]
    pub(crate) group: Option<String>,
}

/// Why a list of pairs could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairsError {
    /// The file cannot be opened, or a line is no pair.
    #[error("{}: {reason}; the columns are fold,same,image_a,image_b and, if wanted, group", .path.display())]
    Unreadable { path: PathBuf, reason: String },
}

/// The pairs of one file.
pub(crate) fn read_pairs(path: &Path) -> Result<Vec<Pair>, PairsError> {
    let lines = read_lines(path).and_then(Iterator::collect);
    lines.map_err(|reason| PairsError::Unreadable { path: path.to_owned(), reason })
}

/// The photos of pairs, and the person on each by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairPeople<'a> {
    pub(crate) photos: BTreeMap<&'a Path, usize>,
    pub(crate) people: usize,
}

/// Who is on the photos of pairs, which name nobody: a folder is a person, as in LFW, unless a pair says otherwise; then
/// photos are of one person when pairs say so, directly or over others.
pub(crate) fn people_of(pairs: &[Pair]) -> PairPeople<'_> {
    let by_folder = pairs.iter().all(|pair| {
        let (a, b) = (pair.image_a.parent(), pair.image_b.parent());
        pair.same == (a == b) && a.is_some_and(|folder| !folder.as_os_str().is_empty())
    });
    let photos: BTreeSet<&Path> =
        pairs.iter().flat_map(|pair| [pair.image_a.as_path(), pair.image_b.as_path()]).collect();
    let photos: Vec<&Path> = photos.into_iter().collect();
    let place = |photo: &Path| photos.binary_search(&photo).unwrap_or_default();
    // Each photo points to another of the same person, or to itself.
    let mut leads: Vec<usize> = (0..photos.len()).collect();
    if by_folder {
        for index in 1..photos.len() {
            if photos[index].parent() == photos[index - 1].parent() {
                leads[index] = leads[index - 1];
            }
        }
    } else {
        for pair in pairs.iter().filter(|pair| pair.same) {
            let (a, b) = (root(&mut leads, place(&pair.image_a)), root(&mut leads, place(&pair.image_b)));
            leads[a.max(b)] = a.min(b);
        }
    }
    let mut people: BTreeMap<usize, usize> = BTreeMap::new();
    let photos = photos
        .iter()
        .enumerate()
        .map(|(index, &photo)| {
            let next = people.len();
            (photo, *people.entry(root(&mut leads, index)).or_insert(next))
        })
        .collect();
    PairPeople { photos, people: people.len() }
}

fn root(leads: &mut [usize], mut index: usize) -> usize {
    while leads[index] != index {
        leads[index] = leads[leads[index]];
        index = leads[index];
    }
    index
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
        let pair =
            |fold, same, a: &str, b: &str| Pair { fold, same, image_a: a.into(), image_b: b.into(), group: None };
        assert_eq!(pairs, [pair(3, true, "a b.jpg", "c,d.jpg"), pair(0, false, "e.jpg", "f.jpg")]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for text in ["fold,same,image_a,image_b\n0,1,a,b\n0,maybe,a,b\n", "fold,same,image_a\n0,1,a\n"] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains("line"), "{message}");
        }
    }

    fn people(text: &str) -> Vec<usize> {
        let pairs = read(&format!("fold,same,image_a,image_b\n{text}")).unwrap();
        people_of(&pairs).photos.into_values().collect()
    }

    #[test]
    fn a_folder_is_a_person_unless_a_pair_says_otherwise() {
        assert_eq!(people("0,1,a/1,a/2\n0,0,a/1,b/1\n0,0,a/3,c/1\n"), [0, 0, 0, 1, 2]);
        // All in one folder: 1, 2 and 3 are one person by two pairs.
        assert_eq!(people("0,1,x/1,x/2\n0,0,x/1,x/4\n0,1,x/2,x/3\n"), [0, 0, 0, 1]);
        assert_eq!(people("0,1,1,2\n0,0,3,4\n"), [0, 0, 1, 2]);
    }
}

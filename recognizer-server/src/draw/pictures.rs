//! Which file each painted photo goes to.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::cli::{CliError, ErrorRecord};

/// Why a painted photo could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    /// Several photos cannot go into one file.
    #[error("--draw {}: {photos} photos do not fit into one picture; give a folder", .out.display())]
    OneForMany { out: PathBuf, photos: usize },
    /// The folder could not be made.
    #[error("--draw {}: {source}", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    /// The file could not be written.
    #[error("{}: could not be written: {reason}", .path.display())]
    Write { path: PathBuf, reason: String },
}

impl From<PictureError> for CliError {
    fn from(error: PictureError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<PictureError> for ErrorRecord {
    fn from(error: PictureError) -> Self {
        Self { code: "picture_not_written".into(), message: error.to_string() }
    }
}

/// The output file of each photo.
#[derive(Debug)]
pub(crate) struct Pictures(Vec<PathBuf>);

impl Pictures {
    /// `out` ending in `.png` takes one photo; anything else is a folder, which is made, and in which
    /// `obama.jpg` becomes `obama.jpg.png`.
    pub(crate) fn plan(out: &Path, photos: &[PathBuf]) -> Result<Self, PictureError> {
        let is_file = !out.is_dir() && out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        if is_file {
            return match photos {
                [_] => Ok(Self(vec![out.to_owned()])),
                _ => Err(PictureError::OneForMany { out: out.to_owned(), photos: photos.len() }),
            };
        }
        std::fs::create_dir_all(out).map_err(|source| PictureError::Folder { path: out.to_owned(), source })?;
        let mut taken = HashSet::new();
        Ok(Self(photos.iter().map(|photo| out.join(free_name(photo, &mut taken))).collect()))
    }

    /// Where photo number `index` goes.
    pub(crate) fn of(&self, index: usize) -> &Path {
        &self.0[index]
    }
}

/// Photos of the same name from different folders get a number: `a.jpg.png`, `a.jpg.2.png`.
fn free_name(photo: &Path, taken: &mut HashSet<OsString>) -> OsString {
    let stem = photo.file_name().unwrap_or(OsStr::new("photo"));
    let numbered = (2..).map(|number| format!(".{number}.png"));
    let names = std::iter::once(".png".to_owned()).chain(numbered).map(|ending| {
        let mut name = stem.to_owned();
        name.push(ending);
        name
    });
    names.into_iter().find(|name| taken.insert(name.clone())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_photo_may_name_its_file() {
        let pictures = Pictures::plan(Path::new("out.png"), &["a.jpg".into()]).unwrap();
        assert_eq!(pictures.of(0), Path::new("out.png"));
        assert!(Pictures::plan(Path::new("out.png"), &["a.jpg".into(), "b.jpg".into()]).is_err());
    }

    #[test]
    fn photos_of_one_name_do_not_overwrite_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("drawn");
        let photos = ["x/a.jpg", "y/a.jpg", "b.png"].map(PathBuf::from);
        let pictures = Pictures::plan(&out, &photos).unwrap();
        let names: Vec<_> = (0..3).map(|index| pictures.of(index).to_owned()).collect();
        assert_eq!(names, ["a.jpg.png", "a.jpg.2.png", "b.png.png"].map(|name| out.join(name)));
    }
}

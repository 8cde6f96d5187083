//! Which photos the arguments mean.

use std::path::{Path, PathBuf};

use clap::Args;
use walkdir::WalkDir;

use super::error::CliError;

/// Names by which photos in a folder are told from other files. A file named on the command line is
/// read whatever its name: the format is told from the content.
const PHOTO_EXTENSIONS: [&str; 15] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "pnm", "pbm", "pgm", "ppm", "pam"];

/// The photos of a command.
#[derive(Debug, Args)]
pub(crate) struct PhotoList {
    /// Photos, or folders of photos (read with their sub-folders, in the order of names)
    #[arg(required = true, value_name = "PHOTO|DIR")]
    photos: Vec<PathBuf>,
}

impl PhotoList {
    /// Every photo meant, in the order of the arguments.
    pub(crate) fn expand(&self) -> Result<Vec<PathBuf>, CliError> {
        let mut photos = Vec::new();
        for path in &self.photos {
            if path.is_dir() {
                photos.extend(photos_under(path)?);
            } else {
                photos.push(path.clone());
            }
        }
        Ok(photos)
    }
}

fn photos_under(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut photos = Vec::new();
    for entry in WalkDir::new(dir).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| CliError::Failed(error.to_string()))?;
        if entry.file_type().is_file() && has_photo_extension(entry.path()) {
            photos.push(entry.into_path());
        }
    }
    if photos.is_empty() {
        return Err(CliError::Usage(format!("{}: no photos in this folder", dir.display())));
    }
    Ok(photos)
}

/// Whether a file of a folder is a photo, by its name.
pub(super) fn has_photo_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| PHOTO_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_walked_by_name_and_only_for_photos() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("b")).unwrap();
        for name in ["z.JPG", "b/a.png", "a.webp", "notes.txt", "b/c"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let list = PhotoList { photos: vec![dir.path().join("b/c"), dir.path().to_owned()] };
        let names: Vec<_> = list.expand().unwrap();
        let expected: Vec<_> = ["b/c", "a.webp", "b/a.png", "z.JPG"].map(|name| dir.path().join(name)).into();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_folder_without_photos_is_wrong_usage() {
        let dir = tempfile::tempdir().unwrap();
        let list = PhotoList { photos: vec![dir.path().to_owned()] };
        assert_eq!(list.expand().unwrap_err().exit_status(), 2);
    }
}

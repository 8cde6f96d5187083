//! The folder that everything is in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that is there, and where things are in it.
#[derive(Debug)]
pub(super) struct DataFolder(PathBuf);

impl DataFolder {
    /// The folder at `path`, made when there is none.
    ///
    /// # Errors
    /// When it cannot be made, or its path is not UTF-8: addresses of databases are text.
    pub(super) fn make(path: PathBuf) -> io::Result<Self> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}; give another folder with --data", path.display()))
        };
        if path.to_str().is_none() {
            return Err(named(io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8")));
        }
        fs::create_dir_all(&path).map_err(named)?;
        Ok(Self(path))
    }

    /// Address of the database.
    pub(super) fn database(&self) -> String {
        sqlite(&self.0.join("facerecog.db"))
    }

    /// Where photos are that were sent.
    pub(super) fn uploads(&self) -> PathBuf {
        self.0.join("uploads")
    }

    /// Where the index of the recognizer inside is.
    pub(super) fn index(&self) -> PathBuf {
        self.0.join("index")
    }
}

/// Address of the SQLite database in a file: what has a meaning in an address as %XX.
fn sqlite(file: &Path) -> String {
    let path = file.to_string_lossy().replace('%', "%25").replace('?', "%3F");
    format!("sqlite:{path}")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_database_is_where_its_address_says_whatever_the_name_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["plain", "a b/c", "50%25?mode=memory", "#1 & \"2\"", "人"] {
            let data = DataFolder::make(dir.path().join(name)).unwrap();
            Store::connect(&data.database()).await.unwrap();
            assert!(dir.path().join(name).join("facerecog.db").is_file(), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_a_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = DataFolder::make(file).unwrap_err().to_string();
        assert!(error.contains("file: ") && error.ends_with("--data"), "{error}");
        let not_text = dir.path().join(OsString::from_vec(vec![0xff]));
        assert!(DataFolder::make(not_text.clone()).unwrap_err().to_string().contains("not UTF-8"));
        assert!(!not_text.exists());
    }
}

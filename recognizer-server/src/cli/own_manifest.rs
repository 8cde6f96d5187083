//! Changing a manifest of the user's.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use facerecog_engine::model::Manifest;

use super::error::CliError;

/// The first lines of a manifest that is made anew.
const HEAD: &str = "# Packs of models of your own, beside those inside the program; written by `recognizer models add`.\n\
                    # Edit it as you like: what is here stays here.\n";

/// A manifest that nobody else changes meanwhile.
#[derive(Debug)]
pub(super) struct OwnManifest {
    path: PathBuf,
    text: String,
    /// Held until this is dropped.
    _lock: File,
}

impl OwnManifest {
    /// Opens the manifest at `path`, or begins one. Waits for others that change it.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let failed = |error: io::Error| CliError::Failed(format!("{}: {error}", path.display()));
        // A link is followed here: what it leads to is replaced, and not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock = File::create(path.with_added_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => HEAD.to_owned(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { path, text, _lock: lock })
    }

    /// The manifest with one pack more, as it will be.
    pub(super) fn with(&self, entry: &str) -> Result<Manifest, CliError> {
        Ok(Manifest::parse(&self.text_with(entry), &self.path)?)
    }

    /// Writes it with one pack more. What is in it stays as it is, comments too.
    pub(super) fn add(self, entry: &str) -> Result<(), CliError> {
        let text = self.text_with(entry);
        self.replace(&text)
    }

    /// What is in it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Writes a manifest in its place: as a whole, or not at all.
    pub(super) fn replace(self, text: &str) -> Result<(), CliError> {
        Manifest::parse(text, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let write = || {
            let permissions = fs::metadata(&self.path).map(|metadata| metadata.permissions());
            let mut file = tempfile::Builder::new()
                .prefix(".manifest-")
                .suffix(".part")
                // Of a new file, as far as the umask lets; temporary ones are their owner's alone.
                .permissions(fs::Permissions::from_mode(0o666))
                .tempfile_in(folder)?;
            file.write_all(text.as_bytes())?;
            if let Ok(permissions) = permissions {
                file.as_file().set_permissions(permissions)?;
            }
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| CliError::Failed(format!("{}: could not be written: {error}", self.path.display())))
    }

    fn text_with(&self, entry: &str) -> String {
        let text = self.text.trim_end();
        format!("{text}{}{entry}", if text.is_empty() { "" } else { "\n\n" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_replaced_as_a_whole_where_a_link_leads_and_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link] = ["kept/manifest.toml", "manifest.toml"].map(|name| dir.path().join(name));
        fs::create_dir(dir.path().join("kept")).unwrap();
        fs::write(&file, "[packs]\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();

        OwnManifest::open(&link).unwrap().replace("# Ours.\n[packs]\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "# Ours.\n[packs]\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let own = OwnManifest::open(&link).unwrap();
        assert!(own.replace("packs = 1").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "# Ours.\n[packs]\n");
    }
}

//! The configuration file: TOML, one key a setting, no tables.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::error::{ConfigError, Origin};
use super::input::ServeInput;

/// Largest configuration file, in bytes; one with every key is a few KiB.
const MAX_BYTES: u64 = 1 << 20;

/// A file that was read, with the lines of its keys.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    /// Keys and their lines, counted from 1.
    lines: Vec<(String, usize)>,
    pub(super) values: ServeInput,
}

impl ConfigFile {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &text_of(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let malformed = |error: &toml::de::Error, lines: &[(String, usize)]| {
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            // The reader says what it met and what it wanted, but not always under which key.
            let key = lines.iter().rev().find(|(key, at)| *at == line && !error.message().contains(key.as_str()));
            ConfigError::Malformed {
                origin: Origin::File { path: path.to_owned(), line, key: key.map(|(key, _)| key.clone()) },
                reason: error.message().trim().replace('\n', " "),
            }
        };
        let table = DeTable::parse(text).map_err(|error| malformed(&error, &[]))?;
        let lines: Vec<(String, usize)> = table
            .get_ref()
            .keys()
            .map(|key| (key.get_ref().clone().into_owned(), line_of(text, key.span().start)))
            .collect();
        let values = toml::from_str(text).map_err(|error| malformed(&error, &lines))?;
        Ok(Self { path: path.to_owned(), lines, values })
    }

    /// Where the file sets `key`.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let line = self.lines.iter().find(|(name, _)| name == key).map_or(0, |(_, line)| *line);
        Origin::File { path: self.path.clone(), line, key: Some(key.to_owned()) }
    }
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(std::io::Error::other("larger than 1 MiB, which no configuration is"));
    }
    std::fs::read_to_string(path)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        ConfigFile::parse(Path::new("/etc/facerecog.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = complaint("known = \"people\"\n\nimage_root = [\"/photos\"]\n");
        assert!(text.starts_with("/etc/facerecog.toml, line 3: ") && text.contains("`image_root`"), "{text}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_with_key_and_line() {
        let text = complaint("# limits\nmax_faces = \"many\"\n");
        assert!(text.starts_with("/etc/facerecog.toml, line 2, max_faces: "), "{text}");
        assert!(text.contains("many"), "{text}");
    }

    #[test]
    fn broken_toml_is_named_with_its_line() {
        let text = complaint("known = \"people\"\nindex = \n");
        assert!(text.starts_with("/etc/facerecog.toml, line 2"), "{text}");
        assert!(complaint("known = 1\nknown = 2\n").contains("line 2"));
        assert!(complaint("[tls]\ncertificate = \"a\"\n").contains("`tls`"));
    }
}

//! What is asked for: paths of photos, in the original's JSON.

use serde::Deserialize;

use super::error::{PathProblem, RequestError};

/// Longest path, in characters: the column of the original's table.
const MAX_PATH_CHARACTERS: usize = 255;

/// `{"path":"…"}`. As with the original's decoder, other fields are passed over, and a missing path is an empty one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PhotoRequest {
    #[serde(alias = "Path", deserialize_with = "null_is_empty")]
    path: String,
}

/// `{"paths":[{"path":"…"},…]}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BatchRequest {
    #[serde(alias = "Paths", deserialize_with = "null_is_empty")]
    paths: Vec<PhotoRequest>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

impl PhotoRequest {
    pub(super) fn parse(body: &[u8]) -> Result<Self, RequestError> {
        serde_json::from_slice(body).map_err(|error| RequestError::Json { of: "body", reason: error.to_string() })
    }

    /// The lines that the original answers first.
    pub(super) fn echo(&self) -> String {
        format!("got path: {{Path:{}}}\n{}", self.path, echo([&self.path]))
    }

    pub(super) fn checked(self) -> Result<String, RequestError> {
        match problem(&self.path) {
            None => Ok(self.path),
            Some(problem) => Err(RequestError::Path { place: "path".to_owned(), problem }),
        }
    }
}

impl BatchRequest {
    pub(super) fn parse(body: &[u8]) -> Result<Self, RequestError> {
        let of = "request body";
        serde_json::from_slice(body).map_err(|error| RequestError::Json { of, reason: error.to_string() })
    }

    /// The line that the original answers first.
    pub(super) fn echo(&self) -> String {
        echo(self.paths.iter().map(|photo| &photo.path))
    }

    /// Every path, or the first that is none.
    pub(super) fn checked(self, most: usize) -> Result<Vec<String>, RequestError> {
        match self.paths.len() {
            0 => return Err(RequestError::EmptyBatch),
            photos if photos > most => return Err(RequestError::LargeBatch { photos, most }),
            _ => {}
        }
        let checked = |(place, photo): (usize, PhotoRequest)| match problem(&photo.path) {
            None => Ok(photo.path),
            Some(problem) => Err(RequestError::Path { place: format!("paths[{place}]"), problem }),
        };
        self.paths.into_iter().enumerate().map(checked).collect()
    }
}

/// The original's line about a batch.
pub(super) fn echo<'p>(paths: impl IntoIterator<Item = &'p String>) -> String {
    let mut line = "got paths: {Paths:[".to_owned();
    for (place, path) in paths.into_iter().enumerate() {
        let gap = if place == 0 { "" } else { " " };
        line.extend([gap, "{Path:", path, "}"]);
    }
    line.push_str("]}\n");
    line
}

fn problem(path: &str) -> Option<PathProblem> {
    if path.is_empty() {
        return Some(PathProblem::Empty);
    }
    if path.contains('\0') {
        return Some(PathProblem::Nul);
    }
    let characters = path.chars().count();
    (characters > MAX_PATH_CHARACTERS).then_some(PathProblem::Long { characters, most: MAX_PATH_CHARACTERS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_the_originals_decoder_reads_them() {
        for (body, path) in [
            (r#"{"path":"/a.jpg"}"#, "/a.jpg"),
            (r#"{"Path":"/a.jpg","x":[1]}"#, "/a.jpg"),
            ("{\"path\":\"\\u00e4 \\\"b\\\".jpg\"}\n", "ä \"b\".jpg"),
            ("{}", ""),
            (r#"{"path":null}"#, ""),
        ] {
            assert_eq!(PhotoRequest::parse(body.as_bytes()).unwrap().path, path, "{body}");
        }
        for body in [&b""[..], b"{", b"[]x", b"\"/a.jpg\"", br#"{"path":1}"#, b"{\"path\":\"\xff\"}", b"{} {}"] {
            assert!(PhotoRequest::parse(body).is_err(), "{body:?}");
        }
        assert!(BatchRequest::parse(br#"{"paths":null}"#).unwrap().paths.is_empty());
    }

    #[test]
    fn lengths_count_characters() {
        assert_eq!(problem(&"ä".repeat(255)), None);
        assert_eq!(problem(&"a".repeat(256)), Some(PathProblem::Long { characters: 256, most: 255 }));
        assert_eq!(problem("a\0b"), Some(PathProblem::Nul));
    }

    #[test]
    fn nesting_is_no_harm() {
        let deep = "[".repeat(1 << 20);
        assert!(BatchRequest::parse(format!(r#"{{"paths":{deep}"#).as_bytes()).is_err());
        assert!(PhotoRequest::parse(format!(r#"{{"x":{deep}"#).as_bytes()).is_err());
    }
}

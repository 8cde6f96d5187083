//! What is wrong with a configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file could not be read.
    #[error("{}: {source}; name another with --config or FACERECOG_CONFIG", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// The file is no TOML, has a key that does not exist, or a value of the wrong type.
    #[error("{origin}: {reason}")]
    Malformed { origin: Origin, reason: String },
    /// A value that cannot be used.
    #[error("{origin}: {reason}")]
    Invalid { origin: Origin, reason: String },
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of the configuration file, counted from 1; 0 where no line is to blame.
    File { path: PathBuf, line: usize, key: Option<String> },
    /// A flag or an environment variable.
    Given { key: &'static str },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, key } => {
                write!(f, "{}", path.display())?;
                if *line > 0 {
                    write!(f, ", line {line}")?;
                }
                match key {
                    Some(key) => write!(f, ", {key}"),
                    None => Ok(()),
                }
            }
            Self::Given { key } => write!(f, "--{}", key.replace('_', "-")),
        }
    }
}

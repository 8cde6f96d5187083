//! Lists of pairs of photos, and where their photos are.

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::error::CliError;
use crate::eval::{Pair, PairsError, read_pairs};

/// Lists of pairs, and the folder of their photos.
#[derive(Debug, Args)]
pub(super) struct PairLists {
    /// Lists of pairs
    #[arg(required = true, value_name = "PAIRS.csv")]
    pairs: Vec<PathBuf>,
    /// Folder that the lists' paths are relative to [default: the folder of the first list]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl PairLists {
    /// The pairs of all lists, one after the other.
    pub(super) fn read(&self) -> Result<Vec<Pair>, CliError> {
        read_all(&self.pairs)
    }

    /// The folder that their paths are relative to.
    pub(super) fn root(&self) -> &Path {
        self.root.as_deref().or(self.pairs[0].parent()).unwrap_or(Path::new(""))
    }
}

/// The pairs of several lists.
pub(super) fn read_all(lists: &[PathBuf]) -> Result<Vec<Pair>, CliError> {
    let mut pairs = Vec::new();
    for list in lists {
        pairs.extend(read_pairs(list)?);
    }
    Ok(pairs)
}

impl From<PairsError> for CliError {
    fn from(error: PairsError) -> Self {
        Self::Usage(error.to_string())
    }
}

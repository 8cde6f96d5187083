//! Where fetched models are kept when nobody says where.

use std::path::PathBuf;

/// `$XDG_DATA_HOME/facerecog/models`, by default under `~/.local/share`; `facerecog-models` in the
/// working directory for a user without a home.
pub(crate) fn default_model_folder() -> PathBuf {
    let non_empty = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    non_empty("XDG_DATA_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| non_empty("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from("facerecog-models"), |data| data.join("facerecog/models"))
}

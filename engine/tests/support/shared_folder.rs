//! Where the shared folder of photos and reference values is.

use std::path::{Path, PathBuf};

/// The shared folder, or `None` after saying that `test` is skipped.
pub(crate) fn shared(test: &str) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let dir = std::env::var_os("FACERECOG_SHARED").map_or(default, PathBuf::from);
    if dir.join("data").is_dir() {
        return Some(dir);
    }
    println!("skipped: {test}: no shared folder at {} (set FACERECOG_SHARED)", dir.display());
    None
}

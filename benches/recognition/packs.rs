//! The packs of models that are measured.

use std::path::{Path, PathBuf};

use facerecog_engine::detect::DetectOptions;
use facerecog_engine::model::{Manifest, ModelError};
use facerecog_engine::recognizer::Recognizer;

/// The built-in pack, and `fast` where its files are.
pub(crate) fn recognizers() -> Vec<Recognizer> {
    let mut recognizers = vec![Recognizer::builtin().expect("the built-in pack loads")];
    match fast(&models_dir()) {
        Ok(recognizer) => recognizers.push(recognizer),
        Err(error) => eprintln!("skipped: pack fast (set FACERECOG_MODELS to the folder of its files): {error}"),
    }
    recognizers
}

fn fast(models_dir: &Path) -> Result<Recognizer, ModelError> {
    Recognizer::new(Manifest::builtin().pack("fast", Some(models_dir))?, DetectOptions::default())
}

/// `$FACERECOG_MODELS`, else `models` in `$FACERECOG_SHARED`, which by default lies beside the
/// repository.
fn models_dir() -> PathBuf {
    std::env::var_os("FACERECOG_MODELS").map(PathBuf::from).unwrap_or_else(|| {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        std::env::var_os("FACERECOG_SHARED").map_or(beside, PathBuf::from).join("models")
    })
}

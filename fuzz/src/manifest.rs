//! A manifest of models from elsewhere: refused, or no way to files outside the models folder.

use std::path::{Component, Path};

use facerecog_engine::model::{Manifest, ModelError};

/// Reads `bytes` as a manifest whose models would lie in `folder`, an empty one.
pub fn manifest(bytes: &[u8], folder: &Path) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let manifest = match Manifest::parse(text, Path::new("manifest.toml")) {
        Ok(manifest) => manifest,
        Err(error) => return assert!(error.to_string().starts_with("manifest.toml"), "{error}"),
    };
    for (name, entry) in manifest.packs() {
        for file in entry.files() {
            let components: Vec<Component<'_>> = Path::new(&file.file).components().collect();
            assert!(matches!(components[..], [Component::Normal(_)]), "{:?} leads elsewhere", file.file);
        }
        manifest.entry(name).expect("a pack that is listed");
        // Those inside the library take long to digest.
        if !entry.files().any(|file| file.is_builtin()) {
            let error = manifest.pack(name, Some(folder)).map(|_| ()).expect_err("its files are not there");
            assert!(matches!(error, ModelError::MissingFile { .. } | ModelError::Unreadable { .. }), "{error}");
        }
    }
}

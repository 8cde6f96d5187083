//! The manifest and what it lets through.

mod support;

use std::path::Path;

use facerecog_engine::embed::Metric;
use facerecog_engine::model::{BUILTIN, Manifest, ModelError, Pack};
use facerecog_engine::recognizer::Recognizer;
use sha2::{Digest, Sha256};

/// A manifest of one pack that has every file inside the library but for the embedder.
fn manifest_with_embedder(file: &str, sha256: &str) -> Result<Manifest, ModelError> {
    let text = facerecog_models::MANIFEST
        .replace("dlib_resnet.onnx\"", &format!("{file}\""))
        .replace("605fe5114c218d5d4c482dcc2ae240cf9ec688754c3bf7b341393bc8ec3fddac", sha256);
    assert_ne!(text, facerecog_models::MANIFEST);
    Manifest::parse(&text, Path::new("mine.toml"))
}

#[test]
fn the_builtin_pack_is_complete_and_what_the_manifest_says() {
    let manifest = Manifest::builtin();
    let entry = manifest.entry(BUILTIN).unwrap();
    assert!(entry.is_builtin());
    for file in entry.files() {
        let onnx = facerecog_models::builtin(&file.sha256).expect("a file of the built-in pack is inside");
        let digest: String = Sha256::digest(onnx).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((digest.as_str(), onnx.len() as u64), (file.sha256.as_str(), file.bytes), "{}", file.file);
    }
    let identity = Pack::builtin().embedder_identity();
    assert_eq!((identity.dims, identity.metric), (128, Metric::Euclidean));
    Recognizer::builtin().expect("the built-in pack loads");
}

#[test]
fn every_declared_pack_loads() {
    let Some(shared) = support::shared("every_declared_pack_loads") else { return };
    let manifest = Manifest::builtin();
    let identities: Vec<_> =
        manifest.packs().map(|(name, _)| support::recognizer(name, &shared).pack().embedder_identity()).collect();
    assert_eq!(identities.len(), 2);
    assert_ne!(identities[0].digest, identities[1].digest, "two embedders, two identities");
}

#[test]
fn an_unknown_pack_is_answered_with_those_there_are() {
    let error = Manifest::builtin().pack("best", None).unwrap_err();
    assert_eq!(error.to_string(), "no model pack named \"best\"; there are: builtin, fast");
}

#[test]
fn a_missing_file_is_named_with_the_way_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    let error = Manifest::builtin().pack("fast", Some(dir.path())).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, ModelError::MissingFile { .. }), "{message}");
    for part in ["yunet_n_dynamic.onnx", "recognizer models fetch fast", dir.path().to_str().unwrap()] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_file_of_other_content_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine.onnx"), b"something else").unwrap();
    let manifest = manifest_with_embedder("mine.onnx", &"0".repeat(64)).unwrap();
    let error = manifest.pack(BUILTIN, Some(dir.path())).unwrap_err();
    assert!(matches!(error, ModelError::WrongDigest { .. }), "{error}");
}

#[test]
fn a_file_that_is_no_network_is_an_error_and_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    for content in [&b""[..], b"not a network", &facerecog_models::MANIFEST.as_bytes()[..1000]] {
        std::fs::write(dir.path().join("mine.onnx"), content).unwrap();
        let digest: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let pack = manifest_with_embedder("mine.onnx", &digest).unwrap().pack(BUILTIN, Some(dir.path())).unwrap();
        let error = Recognizer::new(pack, Default::default()).unwrap_err();
        assert!(error.to_string().contains("mine.onnx"), "{error}");
    }
}

#[test]
fn a_manifest_cannot_lead_out_of_the_models_folder() {
    for file in ["../mine.onnx", "/etc/passwd", "a/b.onnx", ".hidden", ""] {
        let error = manifest_with_embedder(file, &"0".repeat(64)).unwrap_err();
        assert!(matches!(error, ModelError::Manifest { .. }), "{file}: {error}");
    }
    let error = manifest_with_embedder("mine.onnx", "12").unwrap_err();
    assert!(error.to_string().contains("mine.toml") && error.to_string().contains("sha256"), "{error}");
}

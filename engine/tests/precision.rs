//! Packs in other precisions than f32: what they are tied to, how near they are, and what is said when they cannot run.

mod support;

use std::path::Path;

use facerecog_engine::detect::DetectOptions;
use facerecog_engine::embed::Embedding;
use facerecog_engine::model::{BUILTIN, Calibration, Manifest, ModelError, Pack, Precision};
use facerecog_engine::recognizer::Recognizer;
use facerecog_kernels::Kernels;
use sha2::{Digest, Sha256};

const PHOTOS: [&str; 5] = [
    "known_people/biden.jpg",
    "known_people/obama.jpg",
    "examples/group.jpg",
    "examples/obama2.jpg",
    "examples/obama3.jpg",
];

/// Least cosine of an embedding to that of f32. The detector calculates in the precision too: landmarks that are a
/// little elsewhere count for more than the embedder's own rounding, which has a mean cosine of 0.9999 in bf16 and 0.999
/// in int8 with MobileFaceNet on LFW.
const LEAST_COSINE: [(Precision, f32); 2] = [(Precision::Bf16, 0.998), (Precision::Int8, 0.98)];

fn is_available(precision: Precision) -> bool {
    precision.is_available(Kernels::chosen().instructions())
}

fn pack(name: &str, precision: Precision, models: &Path) -> Result<Pack, ModelError> {
    Manifest::builtin().with_precision(precision).pack(name, Some(models))
}

/// The largest face of each photo, by its embedding.
fn embeddings(recognizer: &Recognizer) -> Vec<Embedding> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let embedding = |photo: &&str| {
        let mut faces = recognizer.embed_faces(&support::open(&root.join(photo))).expect("the networks run");
        assert!(!faces.is_empty(), "{photo}: no face");
        faces.swap_remove(0).embedding
    };
    PHOTOS.iter().map(embedding).collect()
}

fn cosine(a: &Embedding, b: &Embedding) -> f32 {
    let dot = |a: &Embedding, b: &Embedding| a.values().iter().zip(b.values()).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Ranges of a pack's layers on the photos, written into the folder.
fn calibrate(name: &str, models: &Path, folder: &Path) {
    let (pack, recorder) = pack(name, Precision::F32, models).unwrap().recording();
    embeddings(&Recognizer::new(pack, DetectOptions::default()).unwrap());
    assert!(recorder.calibration().layers() > 0);
    recorder.calibration().write(&folder.join(Calibration::file_name(name))).unwrap();
}

fn all_are_near_f32(name: &str, models: &Path) {
    let exact = embeddings(&Recognizer::new(pack(name, Precision::F32, models).unwrap(), Default::default()).unwrap());
    for (precision, least) in LEAST_COSINE {
        let loaded = Recognizer::new(pack(name, precision, models).unwrap(), DetectOptions::default());
        if !is_available(precision) {
            let error = loaded.unwrap_err().to_string();
            assert!(error.contains("choose precision f32"), "{error}");
            continue;
        }
        let cosines: Vec<f32> = embeddings(&loaded.unwrap()).iter().zip(&exact).map(|(a, b)| cosine(a, b)).collect();
        println!("{name} in {}: cosines to f32 {cosines:?}", precision.name());
        assert!(cosines.iter().all(|&cosine| cosine >= least), "{name} in {}: {cosines:?}", precision.name());
        // A precision that changed nothing would be f32 under another name.
        assert!(cosines.iter().any(|&cosine| cosine < 1.0 - 1e-7), "{name} in {}: {cosines:?}", precision.name());
    }
}

#[test]
fn the_builtin_pack_is_near_itself_in_every_precision() {
    let folder = tempfile::tempdir().unwrap();
    calibrate(BUILTIN, folder.path(), folder.path());
    all_are_near_f32(BUILTIN, folder.path());
}

#[test]
fn the_fast_pack_is_near_itself_in_every_precision() {
    let Some(shared) = support::shared("the_fast_pack_is_near_itself_in_every_precision") else { return };
    let folder = tempfile::tempdir().unwrap();
    for file in Manifest::builtin().entry("fast").unwrap().files() {
        std::fs::copy(shared.join("models").join(&file.file), folder.path().join(&file.file)).unwrap();
    }
    calibrate("fast", folder.path(), folder.path());
    all_are_near_f32("fast", folder.path());
}

#[test]
fn galleries_are_tied_to_the_precision_and_to_the_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let digest = |precision| pack(BUILTIN, precision, folder.path()).unwrap().embedder_identity().digest;
    assert_eq!(digest(Precision::F32), Pack::builtin().embedder_identity().digest);
    calibrate(BUILTIN, folder.path(), folder.path());
    let digests = Precision::ALL.map(digest);
    assert!(digests[0] != digests[1] && digests[0] != digests[2] && digests[1] != digests[2]);

    let path = folder.path().join(Calibration::file_name(BUILTIN));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(digest(Precision::Int8), digests[2]);
    // The least of what a ReLU gives.
    std::fs::write(&path, text.replace(" = [0.0, ", " = [-1.0, ")).unwrap();
    assert_ne!(digest(Precision::Int8), digests[2]);
}

#[test]
fn a_manifest_may_name_the_precision() {
    let with = |precision: &str| {
        let line = format!("[packs.builtin]\nprecision = \"{precision}\"");
        Manifest::parse(&facerecog_models::MANIFEST.replace("[packs.builtin]", &line), Path::new("mine.toml"))
    };
    assert_eq!(with("bf16").unwrap().entry(BUILTIN).unwrap().precision, Precision::Bf16);
    assert_eq!(Manifest::builtin().entry(BUILTIN).unwrap().precision, Precision::F32);
    let error = with("int4").unwrap_err().to_string();
    assert!(error.contains("int4") && error.contains("f32, bf16, int8"), "{error}");
}

#[test]
fn int8_without_ranges_says_how_to_make_them() {
    let folder = tempfile::tempdir().unwrap();
    let error = pack(BUILTIN, Precision::Int8, folder.path()).unwrap_err();
    assert!(matches!(error, ModelError::MissingRanges { .. }), "{error}");
    for part in ["builtin.ranges.toml", "recognizer models calibrate builtin PHOTOS"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn ranges_that_are_broken_or_of_other_networks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(Calibration::file_name(BUILTIN));
    let sha256: String = Sha256::digest(b"a network").iter().map(|byte| format!("{byte:02x}")).collect();
    let ranges =
        |range: &str| format!("[networks.{sha256}]\nfile = \"x.onnx\"\n[networks.{sha256}.layers]\na = {range}\n");
    for text in ["ranges", &ranges("[1.0, 0.0]"), &ranges("[nan, 0.0]"), &ranges("[0.0, inf]"), &ranges("[0.0]")] {
        std::fs::write(&path, text).unwrap();
        let error = pack(BUILTIN, Precision::Int8, folder.path()).unwrap_err();
        assert!(matches!(error, ModelError::Manifest { .. }), "{text}: {error}");
        assert!(error.to_string().contains("builtin.ranges.toml"), "{text}: {error}");
    }
    std::fs::write(&path, ranges("[0.0, 1.0]")).unwrap();
    let others = pack(BUILTIN, Precision::Int8, folder.path()).unwrap();
    let error = Recognizer::new(others, DetectOptions::default()).unwrap_err().to_string();
    let expected = if is_available(Precision::Int8) { "record the ranges" } else { "choose precision f32" };
    assert!(error.contains(expected), "{error}");
}

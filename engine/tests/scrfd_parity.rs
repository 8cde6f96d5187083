//! The SCRFD detector against InsightFace's own, which runs the same files on ONNX Runtime. Their weights are random: the
//! published ones may not be handed on.

mod support;

use std::path::{Path, PathBuf};

use facerecog_engine::detect::{DetectOptions, Detector, Face};
use facerecog_engine::model::{Manifest, ModelError};
use facerecog_engine::photo::Photo;
use facerecog_engine::{BoundingBox, Point};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Answer {
    threshold: f32,
    candidates: usize,
    faces: Vec<TheirFace>,
}

#[derive(Deserialize)]
struct TheirFace {
    bbox: BoundingBox,
    landmarks: [Point; 5],
    score: f32,
}

/// A photo, and width and height of what is cut from it.
type Cut = (&'static str, u32, u32);

/// Of multiples of the largest stride, so that InsightFace leaves them as they are where the file takes any size.
const ANY_SIZE: [Cut; 3] =
    [("examples/astronaut.jpg", 512, 512), ("examples/coffee.jpg", 512, 384), ("examples/chelsea.png", 384, 256)];

/// As wide or as high as the file's size. A photo that was resized would differ by a level here and there, by which random
/// weights give other boxes.
const ONE_SIZE: [Cut; 3] =
    [("known_people/obama.jpg", 640, 427), ("known_people/biden.jpg", 500, 640), ("known_people/obama.jpg", 640, 640)];

#[test]
fn faces_of_a_file_of_one_size_are_those_of_insightface() {
    compare("scrfd-500m", &ONE_SIZE);
}

#[test]
fn faces_of_a_file_of_any_size_with_a_batch_and_normalisations_are_those_of_insightface() {
    compare("scrfd-500m-dynamic", &ANY_SIZE);
}

#[test]
fn faces_at_five_strides_with_one_anchor_are_those_of_insightface() {
    compare("scrfd-500m-five", &ANY_SIZE);
}

#[test]
fn a_file_without_landmarks_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = detector(&made("scrfd-500m-boxes", dir.path())).unwrap_err().to_string();
    for part in ["scrfd-500m-boxes.onnx", "without landmarks", "_bnkps"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn another_kind_of_network_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = detector(&made("sface", dir.path())).unwrap_err().to_string();
    for part in ["sface.onnx", "[1, 128]", "another detector"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Numbers may differ by so much of the box's longest side, and scores by so much.
const TOLERANCE: f32 = 1e-3;

/// Holds the faces of a file's network against InsightFace's.
fn compare(name: &str, cuts: &[Cut]) {
    let dir = tempfile::tempdir().unwrap();
    let file = made(name, dir.path());
    let detector = detector(&file).unwrap();
    let photos: Vec<(PathBuf, Photo)> = cuts.iter().map(|part| cut(*part, dir.path())).collect();
    let printed = support::peers::output_of(
        support::peers::script("scrfd_insightface.py").arg(&file).args(photos.iter().map(|(path, _)| path)),
    );
    let answers: Vec<Answer> = serde_json::from_slice(&printed).expect("the script prints JSON");
    assert_eq!(answers.len(), photos.len());
    // Random boxes are of any size.
    let options = DetectOptions { min_face: f32::MIN, max_faces: usize::MAX, ..DetectOptions::default() };
    let mut farthest = 0.0_f32;
    for ((path, photo), answer) in photos.iter().zip(&answers) {
        assert!(answer.candidates >= 250 && answer.faces.len() >= 20, "too little to compare: {}", answer.faces.len());
        let mut ours = detector.detect(photo, answer.threshold, &options).unwrap();
        ours.sort_by(|a, b| b.score.total_cmp(&a.score));
        assert_eq!(ours.len(), answer.faces.len(), "{name} {}", path.display());
        for theirs in &answer.faces {
            // Equal scores have no order.
            let nearest = ours.iter().map(|ours| distance(ours, theirs)).min_by(f32::total_cmp).unwrap();
            assert!(nearest <= TOLERANCE, "{name} {}: {:?} is {nearest} away", path.display(), theirs.bbox);
            farthest = farthest.max(nearest);
        }
    }
    println!("{name}: farthest {farthest:.1e}");
}

/// The largest difference of two faces in sides of the box, and of scores.
fn distance(ours: &Face, theirs: &TheirFace) -> f32 {
    let side = theirs.bbox.width.max(theirs.bbox.height);
    let [a, b]: [[f32; 4]; 2] = [ours.bbox.into(), theirs.bbox.into()];
    let boxes = a.iter().zip(b).map(|(a, b)| (a - b).abs() / side);
    let points = ours.landmarks.iter().zip(&theirs.landmarks).map(|(a, b)| (a.x - b.x).hypot(a.y - b.y) / side);
    boxes.chain(points).fold((ours.score - theirs.score).abs(), f32::max)
}

/// The top left of a photo, as a file without loss and as we read it.
fn cut((name, width, height): Cut, dir: &Path) -> (PathBuf, Photo) {
    let photo = support::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name));
    let rows = photo.rgb().chunks_exact(photo.width() as usize * 3).take(height as usize);
    let pixels: Vec<u8> = rows.flat_map(|row| &row[..width as usize * 3]).copied().collect();
    let stem = Path::new(name).file_stem().unwrap().to_str().unwrap();
    let path = dir.join(format!("{stem}-{width}x{height}.png"));
    image::save_buffer(&path, &pixels, width, height, image::ExtendedColorType::Rgb8).expect("the photo is written");
    (path, Photo::from_rgb(width, height, pixels))
}

/// A network of random weights.
fn made(name: &str, dir: &Path) -> PathBuf {
    let printed =
        support::peers::output_of(support::peers::script("../../benches/compare/shapes.py").arg(name).arg(dir));
    PathBuf::from(String::from_utf8(printed).expect("a path in UTF-8").trim_end())
}

/// The detector of a pack that has this file.
fn detector(file: &Path) -> Result<Detector, ModelError> {
    let (name, content) = (file.file_name().unwrap().to_str().unwrap(), std::fs::read(file).unwrap());
    let sha256: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut manifest: toml::Table = toml::from_str(facerecog_models::MANIFEST).unwrap();
    manifest["packs"]["builtin"]["detector"] = toml::from_str(&format!(
        "decoder = \"scrfd\"\nmin_score = 0.5\nnetworks = [{{ file = {name:?}, bytes = {}, sha256 = {sha256:?}, \
         licence = \"CC0-1.0\", source = \"a seed\" }}]",
        content.len()
    ))
    .unwrap();
    let manifest = Manifest::parse(&toml::to_string(&manifest).unwrap(), Path::new("mine.toml"))?;
    Detector::new(&manifest.pack("builtin", file.parent())?)
}

//! What is measured of faces, against OpenCV and numpy, and what happens to it when a photo gets worse.

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use facerecog_engine::Point;
use facerecog_engine::detect::{Face, Landmarks};
use facerecog_engine::model::Decoder;
use facerecog_engine::photo::Photo;
use facerecog_engine::quality::{FaceMeasurements, FaceQuality, Fault};
use facerecog_engine::recognizer::Recognizer;
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Asked {
    template: Landmarks,
    faces: Vec<AskedFace>,
}

#[derive(Serialize)]
struct AskedFace {
    crop: PathBuf,
    landmarks: Landmarks,
}

/// As OpenCV and numpy measure it.
#[derive(Debug, Deserialize)]
struct Reference {
    eye_distance: f32,
    sharpness: f32,
    signal_to_noise: f32,
    dynamic_range: f32,
    overexposed: f32,
    face_length: f32,
    nose_height: f32,
}

#[test]
fn measurements_are_those_of_opencv() {
    let Some(shared) = support::shared("measurements_are_those_of_opencv") else { return };
    for pack in ["builtin", "fast"] {
        let recognizer = support::recognizer(pack, &shared);
        let template = recognizer.pack().entry().embedder.template;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let photos = support::photos(&shared.join("data/lfw-dev"));
        let mut asked = Asked { template, faces: Vec::new() };
        let mut ours = Vec::new();
        for path in photos.iter().step_by(photos.len() / 30) {
            let photo = support::open(path);
            let Some(face) = recognizer.detect(&photo).expect("the network runs").into_iter().next() else { continue };
            let (crop, file) = (recognizer.chip(&photo, &face), dir.path().join(format!("{}.png", ours.len())));
            picture(&crop).save(&file).expect("the crop is written");
            ours.push(FaceMeasurements::new(&face, &crop, &template));
            asked.faces.push(AskedFace { crop: file, landmarks: face.landmarks });
        }
        let theirs = of_opencv(&asked);
        assert!(ours.len() >= 25 && ours.len() == theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            for (a, b) in [
                (ours.eye_distance, theirs.eye_distance),
                (ours.sharpness, theirs.sharpness),
                (ours.signal_to_noise, theirs.signal_to_noise),
                (ours.dynamic_range, theirs.dynamic_range),
                (ours.overexposed, theirs.overexposed),
                (ours.face_length, theirs.face_length),
                (ours.nose_height, theirs.nose_height),
            ] {
                assert!((a - b).abs() <= 1e-3 * b.abs().max(1.0), "{pack}: {ours:?} is not {theirs:?}");
            }
        }
    }
}

fn of_opencv(asked: &Asked) -> Vec<Reference> {
    let mut script = support::peers::script("quality_opencv.py");
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the script can be started");
    let json = serde_json::to_vec(asked).expect("numbers and paths");
    child.stdin.take().expect("a pipe").write_all(&json).expect("the script reads");
    let output = child.wait_with_output().expect("the script ends");
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).expect("a JSON list")
}

fn picture(photo: &Photo) -> RgbImage {
    RgbImage::from_raw(photo.width(), photo.height(), photo.rgb().to_vec()).expect("width × height × 3 bytes")
}

fn photo(image: &RgbImage) -> Photo {
    Photo::from_rgb(image.width(), image.height(), image.as_raw().clone())
}

/// The largest face of a photo that shows one, as it is and after a change that leaves landmarks where they are.
fn before_and_after(change: impl Fn(&RgbImage) -> RgbImage) -> [FaceQuality; 2] {
    let recognizer = Recognizer::builtin().unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/obama2.jpg");
    let image = image::open(path).unwrap().to_rgb8();
    let face = recognizer.detect(&photo(&image)).unwrap().swap_remove(0);
    [&image, &change(&image)].map(|image| recognizer.quality(&photo(image), &face))
}

#[test]
fn a_blurred_face_is_less_sharp() {
    let [before, after] = before_and_after(|image| DynamicImage::from(image.clone()).blur(12.0).to_rgb8());
    assert!(after.factors.sharpness < 0.5 * before.factors.sharpness, "{before:?} {after:?}");
    assert!(after.score < 0.5 * before.score);
    assert_eq!(after.worst_fault(), Some(Fault::Blurred));
    assert_eq!(after.factors.detector, before.factors.detector);
}

#[test]
fn a_face_without_light_and_one_with_too_much_are_exposed_badly() {
    let scaled = |by: f32| {
        move |image: &RgbImage| {
            let mut scaled = image.clone();
            scaled.iter_mut().for_each(|value| *value = (f32::from(*value) * by) as u8);
            scaled
        }
    };
    let [before, dark] = before_and_after(scaled(0.03));
    assert!(before.factors.exposure > 0.95, "{before:?}");
    assert!(dark.factors.exposure < 0.7 * before.factors.exposure, "{before:?} {dark:?}");
    let [before, bright] = before_and_after(scaled(4.0));
    assert!(bright.factors.exposure < 0.7 * before.factors.exposure, "{before:?} {bright:?}");
    assert!(bright.measured.overexposed > 0.3 && before.measured.overexposed < 0.05);
}

#[test]
fn noise_is_told_from_detail() {
    let [before, after] = before_and_after(|image| {
        let mut noisy = image.clone();
        let mut state = 1_u32;
        for value in noisy.iter_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 24) as i32 - 128;
            *value = (i32::from(*value) + 2 * noise).clamp(0, 255) as u8;
        }
        noisy
    });
    assert!(after.factors.noise < 0.7 * before.factors.noise, "{before:?} {after:?}");
}

#[test]
fn a_small_face_is_unsharp_because_it_is_small() {
    let recognizer = Recognizer::builtin().unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/obama2.jpg");
    let image = image::open(path).unwrap().to_rgb8();
    let face = recognizer.detect(&photo(&image)).unwrap().swap_remove(0);
    let small = imageops::resize(&image, image.width() / 12, image.height() / 12, FilterType::Triangle);
    let (x, y) = (small.width() as f32 / image.width() as f32, small.height() as f32 / image.height() as f32);
    let landmarks = face.landmarks.map(|p| Point::new((p.x + 0.5) * x - 0.5, (p.y + 0.5) * y - 0.5));
    let before = recognizer.quality(&photo(&image), &face);
    let after = recognizer.quality(&photo(&small), &Face { landmarks, ..face });
    assert!((after.measured.eye_distance * 12.0 / before.measured.eye_distance - 1.0).abs() < 0.05);
    assert!(after.factors.sharpness < before.factors.sharpness, "{before:?} {after:?}");
    let eye_distance = after.measured.eye_distance;
    assert_eq!(after.worst_fault(), Some(Fault::Small { eye_distance }));
    assert_eq!(
        after.worst_fault().unwrap().to_string(),
        format!("the face is {eye_distance:.0} pixels between the eyes")
    );
}

/// ArcFace's template, which is a face from the front.
const FRONT: Landmarks = [
    Point::new(38.2946, 51.6963),
    Point::new(73.5318, 51.5014),
    Point::new(56.0252, 71.7366),
    Point::new(41.5493, 92.3655),
    Point::new(70.7299, 92.2041),
];

fn posed(landmarks: Landmarks) -> FaceQuality {
    let crop = Photo::from_rgb(112, 112, vec![100; 112 * 112 * 3]);
    let face = Face { bbox: crop_box(), score: 1.0, landmarks };
    FaceQuality::new(FaceMeasurements::new(&face, &crop, &FRONT), Decoder::Yunet)
}

fn crop_box() -> facerecog_engine::BoundingBox {
    facerecog_engine::BoundingBox::new(0.0, 0.0, 112.0, 112.0)
}

#[test]
fn a_face_that_turns_away_is_posed_worse() {
    let front = posed(FRONT);
    assert_eq!(front.factors.pose, 1.0);
    // To a side by 50°: what lies across is seen shorter.
    let aside = posed(FRONT.map(|p| Point::new(56.0 + (p.x - 56.0) * 50_f32.to_radians().cos(), p.y)));
    assert!(aside.factors.pose < 0.8, "{aside:?}");
    // Up: the nose tip comes near the eyes.
    let mut up = FRONT;
    up[2].y = 60.0;
    assert!(posed(up).factors.pose < 0.6);
    // That the head is tilted says nothing: alignment turns it.
    let (sin, cos) = 25_f32.to_radians().sin_cos();
    let tilted = posed(FRONT.map(|p| Point::new(cos * p.x - sin * p.y, sin * p.x + cos * p.y)));
    assert!((tilted.factors.pose - 1.0).abs() < 1e-4);
}

#[test]
fn landmarks_and_crops_of_nothing_give_numbers() {
    let nowhere = posed([Point::default(); 5]);
    assert!((0.0..=1.0).contains(&nowhere.score), "{nowhere:?}");
    let measured = nowhere.measured;
    assert!([measured.face_length, measured.nose_height, measured.sharpness].iter().all(|value| value.is_finite()));
    let face = Face { bbox: crop_box(), score: f32::NAN, landmarks: FRONT };
    for side in [1, 2, 5] {
        let crop = Photo::from_rgb(side, side, vec![0; (side * side * 3) as usize]);
        let quality = FaceQuality::new(FaceMeasurements::new(&face, &crop, &FRONT), Decoder::Yunet);
        assert!((0.0..=1.0).contains(&quality.score), "{quality:?}");
    }
}

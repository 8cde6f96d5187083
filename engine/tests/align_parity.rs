//! Aligned crops of pack `fast` against OpenCV's `FaceRecognizerSF::alignCrop`, whose embedders have ArcFace's
//! template too.

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use facerecog_engine::align::align;
use facerecog_engine::detect::Landmarks;
use facerecog_engine::photo::Photo;
use rayon::prelude::*;
use serde::Serialize;

const CROP_BYTES: usize = 112 * 112 * 3;

#[derive(Serialize)]
struct Request {
    photo: PathBuf,
    landmarks: Landmarks,
}

#[test]
fn crops_are_those_of_opencv() {
    let Some(shared) = support::shared("crops_are_those_of_opencv") else { return };
    let recognizer = support::recognizer("fast", &shared);
    let embedder = &recognizer.pack().entry().embedder;
    // OpenCV gets the pixels that we see, without loss.
    let dir = tempfile::tempdir().expect("a temporary folder");
    let photos = support::photos(&shared.join("data/lfw-dev"));
    let every = photos.len() / 60;
    let aligned: Vec<(Request, Photo)> = photos
        .par_iter()
        .step_by(every)
        .enumerate()
        .filter_map(|(index, path)| {
            let photo = support::open(path);
            let face = recognizer.detect(&photo).expect("the network runs").into_iter().next()?;
            let lossless = dir.path().join(format!("{index}.png"));
            image::save_buffer(&lossless, photo.rgb(), photo.width(), photo.height(), image::ExtendedColorType::Rgb8)
                .expect("the photo is written");
            let crop = align(&photo, &face.landmarks, &embedder.template, embedder.fit, embedder.input_side);
            Some((Request { photo: lossless, landmarks: face.landmarks }, crop))
        })
        .collect();
    assert!(aligned.len() >= 50);

    let requests: Vec<&Request> = aligned.iter().map(|(request, _)| request).collect();
    let theirs = crops_of_opencv(&shared.join("models"), &requests);
    assert_eq!(theirs.len(), aligned.len() * CROP_BYTES);
    let differences = aligned.iter().zip(theirs.chunks_exact(CROP_BYTES)).map(|((request, ours), theirs)| {
        let sum: f64 = ours.rgb().iter().zip(theirs).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        (sum / CROP_BYTES as f64, &request.photo)
    });
    let worst = differences.max_by(|a, b| a.0.total_cmp(&b.0)).expect("there are crops");
    println!("{} crops, mean difference of a value in the worst: {:.3}", aligned.len(), worst.0);
    // OpenCV interpolates between 32nds of a pixel.
    assert!(worst.0 <= 0.5, "{worst:?}");
}

fn crops_of_opencv(models: &Path, requests: &[&Request]) -> Vec<u8> {
    let mut script = support::peers::script("align_opencv.py");
    let mut child =
        script.arg(models).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the script can be started");
    let json = serde_json::to_vec(requests).expect("numbers and paths");
    child.stdin.take().expect("a pipe").write_all(&json).expect("the script reads");
    let output = child.wait_with_output().expect("the script ends");
    assert!(output.status.success(), "{}", output.status);
    output.stdout
}

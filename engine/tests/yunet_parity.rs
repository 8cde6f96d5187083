//! The YuNet detector against OpenCV's `FaceDetectorYN`, which runs the same file at the same input
//! size: each photo's own.

mod support;

use std::path::{Path, PathBuf};

use facerecog_engine::detect::{DetectOptions, Detector};
use facerecog_engine::model::Manifest;
use facerecog_engine::photo::Photo;
use facerecog_engine::{BoundingBox, Point};
use rayon::prelude::*;
use serde::Deserialize;

/// The script's score threshold.
const MIN_SCORE: f32 = 0.6;

/// Rounding may put a face with a score this near the threshold on either side of it.
const SCORE_MARGIN: f32 = 0.01;

/// Photos above this are shrunk by the detector, and OpenCV would see another input.
const LARGEST_SIDE: u32 = 1920;

#[derive(Deserialize)]
struct Answer {
    width: u32,
    height: u32,
    faces: Vec<Face>,
}

#[derive(Deserialize)]
struct Face {
    bbox: BoundingBox,
    landmarks: [Point; 5],
    score: f32,
}

/// How far two detectors agree.
#[derive(Debug)]
struct Agreement {
    photos: usize,
    faces: usize,
    lowest_iou: f32,
    farthest_landmark: f32,
    /// Faces that one of the two alone keeps, and not because they are near the threshold.
    alone: Vec<String>,
}

impl Agreement {
    fn new() -> Self {
        Self { photos: 0, faces: 0, lowest_iou: 1.0, farthest_landmark: 0.0, alone: Vec::new() }
    }

    /// Adds a photo. Every face of OpenCV's takes the nearest of ours that is still free.
    fn add(&mut self, photo: &Path, ours: &[Face], theirs: &[Face]) {
        self.photos += 1;
        let mut free: Vec<&Face> = ours.iter().collect();
        for face in theirs {
            let iou = |other: &Face| face.bbox.iou(&other.bbox);
            let nearest = (0..free.len()).max_by(|&a, &b| iou(free[a]).total_cmp(&iou(free[b])));
            match nearest.filter(|&index| iou(free[index]) > 0.5) {
                Some(index) => {
                    let same = free.swap_remove(index);
                    self.faces += 1;
                    self.lowest_iou = self.lowest_iou.min(iou(same));
                    for (a, b) in face.landmarks.iter().zip(&same.landmarks) {
                        self.farthest_landmark = self.farthest_landmark.max((a.x - b.x).hypot(a.y - b.y));
                    }
                }
                None => self.only("OpenCV", photo, face),
            }
        }
        for face in free {
            self.only("the engine", photo, face);
        }
    }

    fn only(&mut self, who: &str, photo: &Path, face: &Face) {
        if face.score > MIN_SCORE + SCORE_MARGIN {
            let (name, bbox, score) = (photo.display(), face.bbox, face.score);
            self.alone.push(format!("{name}: only {who} keeps {bbox:?}, score {score}"));
        }
    }
}

#[test]
fn faces_are_those_of_opencv() {
    let Some(shared) = support::shared("faces_are_those_of_opencv") else { return };
    let models = shared.join("models");
    let detector = Detector::new(&Manifest::builtin().pack("fast", Some(&models)).expect("the pack is complete"))
        .expect("the detector loads");
    let decoded: Vec<(PathBuf, Photo)> = photos(&shared.join("data"))
        .into_par_iter()
        .map(|path| {
            let photo = support::open(&path);
            (path, photo)
        })
        .filter(|(_, photo)| photo.width().max(photo.height()) <= LARGEST_SIDE)
        .collect();

    // Decoders differ by a few levels a pixel: OpenCV gets the pixels that we see, without loss.
    let dir = tempfile::tempdir().expect("a temporary folder");
    let lossless: Vec<PathBuf> = (0..decoded.len()).map(|index| dir.path().join(format!("{index}.png"))).collect();
    decoded.par_iter().zip(&lossless).for_each(|((_, photo), path)| {
        image::save_buffer(path, photo.rgb(), photo.width(), photo.height(), image::ExtendedColorType::Rgb8)
            .expect("the photo is written");
    });
    let originals: Vec<PathBuf> = decoded.iter().map(|(path, _)| path.clone()).collect();
    let (on_same_pixels, on_files) =
        rayon::join(|| faces_of_opencv(&models, &lossless), || faces_of_opencv(&models, &originals));

    let options = DetectOptions { min_face: 1.0, max_faces: usize::MAX, ..DetectOptions::default() };
    let ours: Vec<Vec<Face>> = decoded
        .par_iter()
        .map(|(_, photo)| {
            let found = detector.detect(photo, MIN_SCORE, &options).expect("the network runs");
            found
                .into_iter()
                .map(|face| Face { bbox: face.bbox, landmarks: face.landmarks, score: face.score })
                .collect()
        })
        .collect();

    let (mut same_pixels, mut files) = (Agreement::new(), Agreement::new());
    for (((path, photo), ours), (pixels, file)) in decoded.iter().zip(&ours).zip(on_same_pixels.iter().zip(&on_files)) {
        assert_eq!((pixels.width, pixels.height), (photo.width(), photo.height()), "{}", path.display());
        same_pixels.add(path, ours, &pixels.faces);
        // OpenCV does not turn photos upright here.
        if (file.width, file.height) == (photo.width(), photo.height()) {
            files.add(path, ours, &file.faces);
        }
    }
    println!("the same pixels: {same_pixels:?}");
    println!("each its own decoder: {files:?}");
    assert!(same_pixels.photos >= 50 && same_pixels.faces >= 100, "{same_pixels:?}");
    assert!(same_pixels.alone.is_empty(), "{:?}", same_pixels.alone);
    assert!(same_pixels.lowest_iou >= 0.95, "IoU {}", same_pixels.lowest_iou);
    assert!(same_pixels.farthest_landmark <= 1.0, "a landmark is {} px away", same_pixels.farthest_landmark);
}

/// Portraits, scenes and groups, and some without a face.
fn photos(data: &Path) -> Vec<PathBuf> {
    let mut photos = Vec::new();
    for (folder, most) in
        [("sitcom", 20), ("face_recognition", 20), ("groups", 40), ("celebs5", 15), ("lfw-dev", 30), ("no-face", 10)]
    {
        photos.extend(support::photos(&data.join(folder)).into_iter().take(most));
    }
    photos
}

fn faces_of_opencv(models: &Path, photos: &[PathBuf]) -> Vec<Answer> {
    let printed = support::peers::output_of(support::peers::script("yunet_opencv.py").arg(models).args(photos));
    let answers: Vec<Answer> = serde_json::from_slice(&printed).expect("the script prints JSON");
    assert_eq!(answers.len(), photos.len());
    answers
}

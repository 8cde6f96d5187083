//! Photos that lie on their side, turned here by the crate that decodes PNG, beside the same photos upright.

mod support;

use std::path::Path;

use facerecog_engine::Point;
use facerecog_engine::detect::{DetectOptions, Face};
use facerecog_engine::model::Pack;
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::Recognizer;
use support::exif::{block as exif, jpeg_with_exif};

/// Detectors do not see the same on a turned grid of pixels.
const FARTHEST_LANDMARK: f32 = 0.05;

fn only(faces: Vec<Face>) -> Face {
    assert_eq!(faces.len(), 1);
    faces.into_iter().next().unwrap()
}

/// Where a point of the upright photo, whose last column and row are given, lands.
type Carry = fn(f32, f32, Point) -> Point;

#[test]
fn faces_on_turned_photos_are_found_and_recognised() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../known_people/obama.jpg");
    let upright = image::open(path).unwrap();
    let (width, height) = (upright.width() as f32 - 1.0, upright.height() as f32 - 1.0);
    let whole =
        |image: &image::DynamicImage| Photo::from_rgb(image.width(), image.height(), image.to_rgb8().into_raw());
    let options = DetectOptions { try_turned: true, ..DetectOptions::default() };
    let tries = Recognizer::new(Pack::builtin(), options).unwrap();
    let face = only(tries.detect(&whole(&upright)).unwrap());
    let embedding = tries.embed(&whole(&upright), &face).unwrap().embedding;

    let turned: [(_, Carry); 3] = [
        (upright.rotate90(), |_, height, p| Point::new(height - p.y, p.x)),
        (upright.rotate180(), |width, height, p| Point::new(width - p.x, height - p.y)),
        (upright.rotate270(), |width, _, p| Point::new(p.y, width - p.x)),
    ];
    for (image, to) in turned {
        let photo = whole(&image);
        let found = only(tries.detect(&photo).unwrap());
        for (at, landmark) in found.landmarks.iter().zip(face.landmarks) {
            let expected = to(width, height, landmark);
            let off = (at.x - expected.x).hypot(at.y - expected.y) / face.bbox.width;
            assert!(off < FARTHEST_LANDMARK, "{at:?} but {expected:?}");
        }
        let comparison = tries.compare(&embedding, &tries.embed(&photo, &found).unwrap().embedding);
        assert!(comparison.distance < 0.2, "{comparison:?}");
    }
}

/// A large JPEG is decoded at a part of its sides, and its last column and row may be beside the photo.
#[test]
fn reduced_photos_are_turned_like_whole_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../known_people/obama.jpg");
    let upright = std::fs::read(path).unwrap();
    let options = DetectOptions { try_turned: true, min_face: 200.0, ..DetectOptions::default() };
    let recognizer = Recognizer::new(Pack::builtin(), options).unwrap();
    let limits = Limits::default();
    for orientation in [3, 6, 8] {
        let file = jpeg_with_exif(&upright, &exif(orientation));
        let whole = Photo::decode(&file, &limits).unwrap();
        let reduced = recognizer.decode(&file, &limits, 0.0).unwrap();
        assert!(reduced.photo().width() < whole.width());
        let (of_whole, of_reduced) =
            (only(recognizer.detect(&whole).unwrap()), only(recognizer.detect(&reduced).unwrap()));
        for (a, b) in of_whole.landmarks.iter().zip(of_reduced.landmarks) {
            let off = (a.x - b.x).hypot(a.y - b.y) / of_whole.bbox.width;
            assert!(off < FARTHEST_LANDMARK, "{orientation}: {a:?} but {b:?}");
        }
    }
}

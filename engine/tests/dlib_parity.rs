//! The built-in pack against dlib itself: `golden/` in the shared folder holds what the original
//! service's library answers.

mod support;

use std::path::{Path, PathBuf};

use facerecog_engine::align::align;
use facerecog_engine::embed::distance;
use facerecog_engine::{BoundingBox, Point};
use rayon::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Chips {
    chips: Vec<Chip>,
}

#[derive(Deserialize)]
struct Chip {
    chip_png: PathBuf,
    encoding_from_chip: Vec<f32>,
}

#[test]
fn descriptors_of_aligned_chips_are_dlibs() {
    let Some(shared) = support::shared("descriptors_of_aligned_chips_are_dlibs") else { return };
    let recognizer = support::recognizer("builtin", &shared);
    let golden: Chips = read_json(&shared.join("golden/chips.json"));
    assert!(golden.chips.len() >= 100);
    let worst = golden
        .chips
        .par_iter()
        .map(|chip| {
            let photo = support::open(&shared.join("golden").join(&chip.chip_png));
            let embedding = recognizer.embed_chip(&photo).expect("the network runs");
            assert_eq!(embedding.values().len(), chip.encoding_from_chip.len());
            let differences = embedding.values().iter().zip(&chip.encoding_from_chip).map(|(a, b)| (a - b).abs());
            differences.fold(0.0, f32::max)
        })
        .reduce(|| 0.0, f32::max);
    println!("{} chips, largest difference of a component: {worst:.1e}", golden.chips.len());
    assert!(worst <= 5e-4, "a component differs by {worst}");
}

#[derive(Deserialize)]
struct Golden {
    images: Vec<GoldenImage>,
}

#[derive(Deserialize)]
struct GoldenImage {
    path: String,
    faces: Vec<GoldenFace>,
}

#[derive(Deserialize)]
struct GoldenFace {
    raw_rect_ltrb: [f32; 4],
    landmarks5_raw: [[f32; 2]; 5],
    encoding: Vec<f32>,
}

/// In dlib's boxes its landmarks are found where it finds them itself, in whole pixels as it gives them, and photos that
/// are aligned by those have its descriptors.
#[test]
fn landmarks_in_dlibs_boxes_are_dlibs() {
    let Some(shared) = support::shared("landmarks_in_dlibs_boxes_are_dlibs") else { return };
    let recognizer = support::recognizer("builtin", &shared);
    let predictor = recognizer.pack().shape_predictor().expect("the file is one").expect("the pack has one");
    let embedder = &recognizer.pack().entry().embedder;
    let template = &embedder.landmarks.as_ref().expect("the pack has landmarks").template;
    let golden: Golden = read_json(&shared.join("golden/golden.json"));
    let compared: Vec<(f32, f32)> = golden
        .images
        .par_iter()
        .flat_map(|image| {
            let photo = support::open(&shared.join("data").join(local_path(&image.path)));
            let compare = |expected: &GoldenFace| {
                let [left, top, right, bottom] = expected.raw_rect_ltrb;
                let found = predictor.find(&photo, &BoundingBox::new(left, top, right - left, bottom - top));
                let theirs = expected.landmarks5_raw.map(Point::from);
                let farthest = found.iter().zip(&theirs).map(|(ours, theirs)| {
                    let (x, y) = ((ours.x + 0.5).floor(), (ours.y + 0.5).floor());
                    (x - theirs.x).abs().max((y - theirs.y).abs())
                });
                let crop = align(&photo, &theirs, template, embedder.fit, embedder.input_side);
                let embedding = recognizer.embed_chip(&crop).expect("the network runs");
                (
                    (farthest.fold(0.0, f32::max) - 1.0).max(0.0) / (right - left),
                    distance(embedding.values(), &expected.encoding),
                )
            };
            image.faces.iter().map(compare).collect::<Vec<_>>()
        })
        .collect();
    let faces = compared.len() as f32;
    let farthest = compared.iter().map(|(farthest, _)| *farthest).fold(0.0, f32::max);
    let mean = compared.iter().map(|(_, distance)| distance).sum::<f32>() / faces;
    println!(
        "{faces} faces, farthest a pixel and {farthest:.4} of the box; by dlib's landmarks its descriptor is {mean:.4} away"
    );
    assert!(compared.len() >= 109);
    // Whole pixels may be rounded otherwise; leaves have 16 bits, and where they move a pixel that is looked at, a tree ends
    // elsewhere.
    assert!(farthest <= 0.01, "a pixel and {farthest} of the box");
    assert!(mean <= 0.03, "mean distance {mean}");
}

/// Our own detection and alignment find the faces that dlib's HOG detector finds, and what we make of
/// them lies near what dlib makes of them.
#[test]
fn faces_of_photos_are_found_and_described_as_dlib_does() {
    let Some(shared) = support::shared("faces_of_photos_are_found_and_described_as_dlib_does") else { return };
    let recognizer = support::recognizer("builtin", &shared);
    let golden: Golden = read_json(&shared.join("golden/golden.json"));
    let compared: Vec<(String, Option<f32>)> = golden
        .images
        .par_iter()
        .flat_map(|image| {
            let photo = support::open(&shared.join("data").join(local_path(&image.path)));
            let found = recognizer.embed_faces(&photo).expect("the networks run");
            let compare = |expected: &GoldenFace| {
                let [left, top, right, bottom] = expected.raw_rect_ltrb;
                let rect = BoundingBox::new(left, top, right - left + 1.0, bottom - top + 1.0);
                let iou = |face: &BoundingBox| face.iou(&rect);
                let nearest = found
                    .iter()
                    .max_by(|a, b| iou(&a.face.bbox).total_cmp(&iou(&b.face.bbox)))
                    .filter(|f| iou(&f.face.bbox) >= 0.4);
                (image.path.clone(), nearest.map(|found| distance(found.embedding.values(), &expected.encoding)))
            };
            image.faces.iter().map(compare).collect::<Vec<_>>()
        })
        .collect();

    let missed: Vec<_> = compared.iter().filter(|(_, d)| d.is_none()).map(|(path, _)| path).collect();
    let mut distances: Vec<(f32, &str)> =
        compared.iter().filter_map(|(path, d)| Some(((*d)?, path.as_str()))).collect();
    distances.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mean = distances.iter().map(|(d, _)| d).sum::<f32>() / distances.len() as f32;
    println!("{} of {} faces found, missed: {missed:?}", distances.len(), compared.len());
    println!("distance to dlib's descriptor: mean {mean:.3}, worst {:.3?}", &distances[..5]);
    assert!(compared.len() >= 109);
    assert!(distances.len() * 100 >= compared.len() * 99, "missed: {missed:?}");
    assert!(mean <= 0.2, "mean distance {mean}");
    assert!(distances[0].0 <= 0.35, "{} is {} away", distances[0].1, distances[0].0);
}

/// Where the shared folder keeps a photo that the golden file names by its repository.
fn local_path(golden: &str) -> String {
    for (repository, folder) in [
        ("ageitgey/examples/", "face_recognition/examples/"),
        ("ageitgey/tests/test_images/", "face_recognition/tests/"),
        ("faceapi/examples/images/", "sitcom/"),
        ("skarlso/face_recognition/", "original-sample/"),
    ] {
        if let Some(rest) = golden.strip_prefix(repository) {
            return format!("{folder}{rest}");
        }
    }
    panic!("{golden}: from an unknown repository");
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

//! Pixels and landmarks → the crop that the embedder looks at.

use criterion::Criterion;
use facerecog_engine::align::align;
use facerecog_engine::photo::Photo;
use facerecog_engine::recognizer::Recognizer;

use crate::{photos, threads};

pub(crate) fn bench(criterion: &mut Criterion, recognizer: &Recognizer) {
    let chip = chip_of_portrait(recognizer);
    criterion.benchmark_group("align").bench_function(recognizer.pack().name(), |bencher| {
        threads::one(bencher, &chip);
    });
}

/// Cuts the crop of the largest face of a portrait, again at every call.
pub(crate) fn chip_of_portrait(recognizer: &Recognizer) -> impl Fn() -> Photo + Sync {
    let photo = photos::open("known_people/obama.jpg");
    let faces = recognizer.detect(&photo).expect("the detector runs");
    let landmarks = faces.first().expect("the portrait shows a face").landmarks;
    let embedder = recognizer.pack().entry().embedder.clone();
    move || align(&photo, &landmarks, &embedder.template, embedder.fit, embedder.input_side)
}

//! Aligned crop → quality.

use criterion::Criterion;
use facerecog_engine::quality::{FaceMeasurements, FaceQuality};
use facerecog_engine::recognizer::Recognizer;

use crate::align::chip_of_portrait;
use crate::{photos, threads};

pub(crate) fn bench(criterion: &mut Criterion, recognizer: &Recognizer) {
    let chip = chip_of_portrait(recognizer)();
    let face = recognizer.detect(&photos::open("known_people/obama.jpg")).expect("the detector runs").swap_remove(0);
    let entry = recognizer.pack().entry();
    criterion.benchmark_group("quality").bench_function(recognizer.pack().name(), |bencher| {
        threads::one(bencher, || {
            FaceQuality::new(FaceMeasurements::new(&face, &chip, &entry.embedder.template), entry.detector.decoder)
        });
    });
}

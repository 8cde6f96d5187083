//! Pixels → faces, on one portrait at several sizes.

use criterion::{BenchmarkId, Criterion};
use facerecog_engine::recognizer::Recognizer;

use crate::{photos, threads};

pub(crate) fn bench(criterion: &mut Criterion, recognizer: &Recognizer) {
    let portrait = photos::open("known_people/obama.jpg");
    let mut group = criterion.benchmark_group("detect");
    for (width, height) in [(400, 500), (800, 1000), (1600, 2000)] {
        let photo = portrait.resize(width, height);
        let detect = || recognizer.detect(&photo).expect("the detector runs");
        let id = BenchmarkId::new(recognizer.pack().name(), format!("{width}x{height}"));
        group.bench_function(id, |bencher| {
            assert!(!detect().is_empty(), "{width}x{height}: the portrait shows a face");
            threads::one(bencher, detect);
        });
    }
    group.finish();
}

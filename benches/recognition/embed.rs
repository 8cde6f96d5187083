//! Aligned crop → embedding.

use criterion::Criterion;
use facerecog_engine::recognizer::Recognizer;

use crate::align::chip_of_portrait;
use crate::threads;

pub(crate) fn bench(criterion: &mut Criterion, recognizer: &Recognizer) {
    let chip = chip_of_portrait(recognizer)();
    criterion.benchmark_group("embed").bench_function(recognizer.pack().name(), |bencher| {
        threads::one(bencher, || recognizer.embed_chip(&chip).expect("the embedder runs"));
    });
}

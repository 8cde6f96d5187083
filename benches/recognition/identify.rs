//! Photo bytes → names: everything that a request costs, but the network and the queue.

use criterion::{BenchmarkId, Criterion};
use facerecog_engine::gallery::{EnrolOptions, Gallery, Verify, enrol};
use facerecog_engine::recognizer::Recognizer;
use tempfile::TempDir;

use crate::{photos, threads};

/// A photo, and whom it shows: largest face first, `None` for someone who is not enrolled.
const PHOTOS: [(&str, &[Option<&str>]); 2] =
    [("obama2.jpg", &[Some("obama")]), ("group.jpg", &[Some("biden"), Some("obama"), None])];

pub(crate) fn bench(criterion: &mut Criterion, recognizer: &Recognizer) {
    let (_index, gallery) = sample_gallery(recognizer);
    let mut group = criterion.benchmark_group("identify");
    for (name, people) in PHOTOS {
        let bytes = photos::bytes(&format!("examples/{name}"));
        let identify = || -> Vec<Option<String>> {
            let faces = recognizer.identify(&photos::decode(&bytes), &gallery).expect("the networks run");
            faces.into_iter().map(|face| face.best.map(|best| best.person)).collect()
        };
        let id = |threads: &str| BenchmarkId::new(recognizer.pack().name(), format!("{name} {threads}"));
        assert_eq!(identify(), people.iter().map(|p| p.map(str::to_owned)).collect::<Vec<_>>(), "{name}");
        group.bench_function(id("1 thread"), |bencher| threads::one(bencher, identify));
        group.bench_function(id("all threads"), |bencher| threads::all(bencher, identify));
    }
    group.finish();
}

/// `known_people/`, enrolled into a folder that goes away with the first of the two.
fn sample_gallery(recognizer: &Recognizer) -> (TempDir, Gallery) {
    let index = tempfile::tempdir().expect("a temporary folder");
    let identity = recognizer.pack().embedder_identity();
    let known = photos::path("known_people");
    enrol(&known, index.path(), &identity, recognizer, &EnrolOptions::default(), &|_| {})
        .expect("the sample is enrolled");
    let gallery = Gallery::open(index.path(), &identity, Verify::Full).expect("the index opens");
    (index, gallery)
}

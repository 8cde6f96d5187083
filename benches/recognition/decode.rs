//! Photo bytes → pixels.

use criterion::{Criterion, Throughput};

use crate::{photos, threads};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for name in ["known_people/obama.jpg", "known_people/biden.jpg", "examples/chelsea.png"] {
        let bytes = photos::bytes(name);
        let photo = photos::decode(&bytes);
        group.throughput(Throughput::Elements(u64::from(photo.width()) * u64::from(photo.height())));
        let id = format!("{} {}x{}", name.rsplit_once('/').unwrap().1, photo.width(), photo.height());
        group.bench_function(id, |bencher| threads::one(bencher, || photos::decode(&bytes)));
    }
    group.finish();
}

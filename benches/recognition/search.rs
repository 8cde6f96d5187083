//! Embedding → the nearest of many known faces.

use criterion::{BenchmarkId, Criterion, Throughput};
use facerecog_engine::BoundingBox;
use facerecog_engine::embed::{Embedding, Metric};
use facerecog_engine::gallery::{Gallery, IndexWriter, Row, SourceFile, Verify};
use facerecog_engine::model::EmbedderIdentity;
use tempfile::TempDir;

use crate::threads;

const IDENTITY: EmbedderIdentity = EmbedderIdentity { digest: [0; 32], dims: 128, metric: Metric::Cosine };

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut noise = Noise(7);
    let probe = noise.embedding();
    let mut group = criterion.benchmark_group("search");
    for (label, rows) in [("1k", 1_000), ("100k", 100_000), ("1M", 1_000_000)] {
        // Made only when it is measured: a filter may leave it out, and the largest takes a while.
        let gallery = std::cell::OnceCell::new();
        let search = |(_, gallery): &(TempDir, Gallery)| gallery.search(probe.values(), 1).expect("the probe fits");
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new(label, "1 thread"), |bencher| {
            let gallery = gallery.get_or_init(|| random_gallery(rows));
            threads::one(bencher, || search(gallery));
        });
        group.bench_function(BenchmarkId::new(label, "all threads"), |bencher| {
            let gallery = gallery.get_or_init(|| random_gallery(rows));
            threads::all(bencher, || search(gallery));
        });
    }
    group.finish();
}

/// A gallery of random unit vectors, in a folder that goes away with the first of the two.
fn random_gallery(rows: usize) -> (TempDir, Gallery) {
    let mut noise = Noise(rows as u64);
    let faces: Vec<(String, Embedding)> = (0..rows).map(|row| (format!("{row}.jpg"), noise.embedding())).collect();
    let rows: Vec<Row<'_>> = faces
        .iter()
        .map(|(name, embedding)| Row {
            image_name: name,
            person: name,
            source: name,
            file: SourceFile { size: 1, modified_ns: 0, settled: true, digest: [0; 32] },
            bbox: BoundingBox::default(),
            score: 1.0,
            quality: 1.0,
            faces_seen: 1,
            embedding: embedding.values(),
        })
        .collect();
    let index = tempfile::tempdir().expect("a temporary folder");
    IndexWriter::lock(index.path())
        .and_then(|writer| writer.publish(&IDENTITY, &rows, &[]))
        .expect("room for the index");
    // Reading every byte once also brings it into memory, where a gallery in use is.
    let gallery = Gallery::open(index.path(), &IDENTITY, Verify::Full).expect("the index opens");
    (index, gallery)
}

/// Random unit vectors, the same in every run.
struct Noise(u64);

impl Noise {
    fn number(&mut self) -> f32 {
        // Knuth's MMIX generator; its upper bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn embedding(&mut self) -> Embedding {
        Embedding::new((0..IDENTITY.dims).map(|_| self.number()).collect(), IDENTITY.metric)
    }
}

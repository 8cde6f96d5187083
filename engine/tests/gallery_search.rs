//! Searching an index through its public face.

use facerecog_engine::BoundingBox;
use facerecog_engine::embed::{Embedding, Metric, distance, similarity};
use facerecog_engine::gallery::{Gallery, GalleryError, IndexWriter, Row, SourceFile, Verify};
use facerecog_engine::model::EmbedderIdentity;
use tempfile::TempDir;

/// Numbers in −1…1 that are the same in every run.
struct Noise(u64);

impl Noise {
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn embedding(&mut self, dims: usize, metric: Metric) -> Embedding {
        Embedding::new((0..dims).map(|_| self.number()).collect(), metric)
    }
}

/// A gallery of `rows` noisy embeddings; row `i` is of person `i % people`.
fn gallery(rows: usize, people: usize, dims: usize, metric: Metric) -> (TempDir, Gallery, Vec<Embedding>) {
    let mut noise = Noise(rows as u64);
    let embeddings: Vec<Embedding> = (0..rows).map(|_| noise.embedding(dims, metric)).collect();
    let names: Vec<(String, String)> =
        (0..rows).map(|row| (format!("{row}.jpg"), format!("person {:05}", row % people))).collect();
    let rows: Vec<Row<'_>> = embeddings
        .iter()
        .zip(&names)
        .map(|(embedding, (image_name, person))| Row {
            image_name,
            person,
            source: image_name,
            file: SourceFile { size: 1, modified_ns: 0, settled: true, digest: [0; 32] },
            bbox: BoundingBox::default(),
            score: 1.0,
            quality: 1.0,
            faces_seen: 1,
            embedding: embedding.values(),
        })
        .collect();
    let identity = EmbedderIdentity { digest: [1; 32], dims, metric };
    let dir = tempfile::tempdir().unwrap();
    IndexWriter::lock(dir.path()).unwrap().publish(&identity, &rows, &[]).unwrap();
    let gallery = Gallery::open(dir.path(), &identity, Verify::Full).unwrap();
    (dir, gallery, embeddings)
}

/// Every row by distance, the slow way.
fn ranked(embeddings: &[Embedding], probe: &[f32]) -> Vec<(usize, f32)> {
    let mut ranked: Vec<_> = embeddings.iter().map(|row| distance(probe, row.values())).enumerate().collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    ranked
}

#[test]
fn the_nearest_rows_are_found() {
    for (rows, dims, metric) in [
        (1, 128, Metric::Cosine),
        (500, 100, Metric::Euclidean),
        (500, 1, Metric::Cosine),
        (60_000, 16, Metric::Cosine),
    ] {
        let (_dir, gallery, embeddings) = gallery(rows, 37, dims, metric);
        let mut noise = Noise(99);
        for k in [1, 5, 40] {
            let probe = noise.embedding(dims, metric);
            let hits = gallery.search(probe.values(), k).unwrap();
            let expected = ranked(&embeddings, probe.values());
            assert_eq!(hits.len(), k.min(rows));
            for (hit, (_, distance)) in hits.iter().zip(&expected) {
                // Rows may change places only within rounding.
                assert!((hit.distance - distance).abs() <= 1e-5 * distance.max(1.0), "{hit:?}, not {distance}");
                let own = facerecog_engine::embed::distance(probe.values(), embeddings[hit.row].values());
                assert!((hit.distance - own).abs() <= 1e-5 * own.max(1.0), "{hit:?}, not {own}");
                assert_eq!(hit.similarity, similarity(hit.distance));
            }
            assert_eq!(gallery.search(probe.values(), k).unwrap(), hits);
        }
        let all = gallery.search(embeddings[0].values(), usize::MAX).unwrap();
        assert_eq!(all.len(), rows);
        assert!(all.is_sorted_by(|a, b| (a.distance, a.row) < (b.distance, b.row)));
        assert_eq!(all[0].distance, 0.0);
    }
}

#[test]
fn each_person_is_named_once_with_the_best_row() {
    let (_dir, gallery, embeddings) = gallery(60_000, 101, 16, Metric::Cosine);
    let probe = Noise(3).embedding(16, Metric::Cosine);
    let hits = gallery.best_per_person(probe.values(), 20).unwrap();
    let mut seen = std::collections::HashSet::new();
    let mut expected = ranked(&embeddings, probe.values());
    expected.retain(|(row, _)| seen.insert(row % 101));
    let found: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
    assert_eq!(found, expected[..20].iter().map(|(row, _)| *row).collect::<Vec<_>>());
    assert_eq!(gallery.row(hits[0].row).person, format!("person {:05}", expected[0].0 % 101));
    assert_eq!(gallery.best_per_person(probe.values(), 5000).unwrap().len(), 101);
}

#[test]
fn probes_that_are_no_embeddings_are_refused() {
    let (_dir, gallery, _) = gallery(3, 1, 4, Metric::Euclidean);
    for probe in [&[][..], &[0.0; 3], &[0.0; 5]] {
        let error = gallery.search(probe, 1).unwrap_err();
        assert!(matches!(error, GalleryError::ProbeDims { expected: 4, found } if found == probe.len()), "{error}");
    }
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = gallery.best_per_person(&[0.0, number, 0.0, 0.0], 1).unwrap_err();
        assert!(matches!(error, GalleryError::ProbeNotFinite), "{error}");
    }
    assert_eq!(gallery.search(&[0.0; 4], 0).unwrap(), []);
}

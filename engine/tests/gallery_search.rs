//! Searching an index through its public face.

use std::num::NonZeroUsize;

use facerecog_engine::BoundingBox;
use facerecog_engine::embed::{Embedding, Metric, distance, similarity};
use facerecog_engine::gallery::{Gallery, GalleryError, Hit, IndexWriter, PersonScore, Row, SourceFile, Verify};
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

fn row<'a>(image_name: &'a str, person: &'a str, embedding: &'a [f32]) -> Row<'a> {
    Row {
        image_name,
        person,
        source: image_name,
        file: SourceFile { size: 1, modified_ns: 0, settled: true, digest: [0; 32] },
        bbox: BoundingBox::default(),
        score: 1.0,
        quality: 1.0,
        faces_seen: 1,
        embedding,
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
        .map(|(embedding, (image_name, person))| row(image_name, person, embedding.values()))
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

/// More probes than are compared at once, more rows than one thread takes, and numbers for which rounding is not the
/// same in every order.
#[test]
fn many_probes_are_answered_as_each_alone() {
    for (rows, dims, metric) in [(0, 7, Metric::Cosine), (333, 7, Metric::Euclidean), (60_001, 20, Metric::Cosine)] {
        let (_dir, gallery, _) = gallery(rows, 37, dims, metric);
        let mut noise = Noise(5);
        let probes: Vec<Embedding> = (0..70).map(|_| noise.embedding(dims, metric)).collect();
        let probes: Vec<&[f32]> = probes.iter().map(Embedding::values).collect();
        let one_each =
            |search: &dyn Fn(&[f32]) -> Vec<Hit>| probes.iter().map(|probe| search(probe)).collect::<Vec<_>>();
        for k in [0, 1, 7] {
            assert_eq!(gallery.search_many(&probes, k).unwrap(), one_each(&|probe| gallery.search(probe, k).unwrap()));
            for score in [PersonScore::BestRow, mean_of_top(3), PersonScore::Template] {
                assert_eq!(
                    gallery.nearest_people_many(&probes, k, score).unwrap(),
                    one_each(&|probe| gallery.nearest_people(probe, k, score).unwrap())
                );
            }
        }
        assert_eq!(gallery.search_many(&[], 3).unwrap(), Vec::<Vec<Hit>>::new());
    }
}

/// A probe that is one of the rows leaves nothing for the bound to spare, and rows that are all the same are all ties.
#[test]
fn equal_rows_come_in_their_order() {
    let identity = EmbedderIdentity { digest: [1; 32], dims: 5, metric: Metric::Euclidean };
    let names: Vec<String> = (0..60_000).map(|row| row.to_string()).collect();
    let same = [0.1, -0.7, 0.3, 12.5, 0.0];
    let rows: Vec<Row<'_>> = names.iter().map(|name| row(name, name, &same)).collect();
    let dir = tempfile::tempdir().unwrap();
    IndexWriter::lock(dir.path()).unwrap().publish(&identity, &rows, &[]).unwrap();
    let gallery = Gallery::open(dir.path(), &identity, Verify::Full).unwrap();
    for probe in [same, [0.2, 0.3, 0.4, 0.5, 1000.0]] {
        for answer in gallery.search_many(&[&probe, &probe], 5).unwrap() {
            assert_eq!(answer.iter().map(|hit| hit.row).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
            assert_eq!(gallery.search(&probe, 5).unwrap(), answer);
        }
    }
}

fn mean_of_top(rows: usize) -> PersonScore {
    PersonScore::MeanOfTop(NonZeroUsize::new(rows).unwrap())
}

#[test]
fn people_are_ranked_by_the_mean_of_their_nearest_rows() {
    for (rows, people, dims) in [(1, 1, 3), (300, 40, 3), (300, 299, 5), (60_000, 1001, 6)] {
        let (_dir, gallery, embeddings) = gallery(rows, people, dims, Metric::Cosine);
        let probe = Noise(8).embedding(dims, Metric::Cosine);
        let ranked = ranked(&embeddings, probe.values());
        for rows_each in [1, 2, 5, 1000] {
            // Of each person: the sum and number of the nearest distances, and the nearest row.
            let mut means = vec![(0.0, 0, usize::MAX); people];
            for (row, distance) in &ranked {
                let (sum, count, nearest) = &mut means[row % people];
                if *count < rows_each {
                    (*sum, *count) = (*sum + f64::from(*distance), *count + 1);
                    *nearest = if *nearest == usize::MAX { *row } else { *nearest };
                }
            }
            let mut expected: Vec<(f64, usize)> =
                means.iter().map(|(sum, count, nearest)| (sum / f64::from(*count as u32), *nearest)).collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0));
            for k in [1, 3, people, usize::MAX] {
                let hits = gallery.nearest_people(probe.values(), k, mean_of_top(rows_each)).unwrap();
                assert_eq!(hits.len(), k.min(people));
                for (hit, (mean, row)) in hits.iter().zip(&expected) {
                    assert!((f64::from(hit.distance) - mean).abs() <= 1e-6, "{hit:?}, not {mean}");
                    assert_eq!((hit.row, hit.similarity), (*row, similarity(hit.distance)));
                }
            }
        }
    }
}

/// Beside means of directions and lengths in f64.
#[test]
fn people_are_ranked_by_their_templates() {
    for (rows, people, dims) in [(1, 1, 3), (300, 40, 3), (300, 299, 5), (60_000, 1001, 6)] {
        let (_dir, gallery, embeddings) = gallery(rows, people, dims, Metric::Euclidean);
        let probe = Noise(8).embedding(dims, Metric::Euclidean);
        let length = |vector: &[f64]| vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mut expected: Vec<(f64, usize)> = (0..people)
            .map(|person| {
                let own: Vec<usize> = (person..rows).step_by(people).collect();
                let wide = |row: usize| embeddings[row].values().iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
                let mut sum = vec![0.0; dims];
                own.iter().for_each(|&row| sum.iter_mut().zip(wide(row)).for_each(|(sum, x)| *sum += x));
                let mean_length = own.iter().map(|&row| length(&wide(row))).sum::<f64>() / own.len() as f64;
                let factor = mean_length / length(&sum);
                let apart: Vec<f64> =
                    sum.iter().zip(probe.values()).map(|(sum, &x)| sum * factor - f64::from(x)).collect();
                let nearest = own.into_iter().min_by(|&a, &b| {
                    distance(embeddings[a].values(), probe.values())
                        .total_cmp(&distance(embeddings[b].values(), probe.values()))
                });
                (length(&apart), nearest.unwrap())
            })
            .collect();
        expected.sort_by(|a, b| a.0.total_cmp(&b.0));
        for k in [0, 1, 3, people, usize::MAX] {
            let hits = gallery.nearest_people(probe.values(), k, PersonScore::Template).unwrap();
            assert_eq!(hits.len(), k.min(people));
            for (hit, (distance, row)) in hits.iter().zip(&expected) {
                assert!((f64::from(hit.distance) - distance).abs() <= 1e-6, "{hit:?}, not {distance}");
                assert_eq!((hit.row, hit.similarity), (*row, similarity(hit.distance)));
            }
        }
    }
}

/// The person with the nearest row of all is not the nearest by the mean of two.
#[test]
fn one_row_that_happens_to_be_near_weighs_less_in_a_mean() {
    let rows = [("a", [1.0]), ("b", [3.0]), ("b", [3.0]), ("a", [9.0]), ("c", [4.0])];
    let names: Vec<String> = (0..rows.len()).map(|row| row.to_string()).collect();
    let rows: Vec<Row<'_>> =
        rows.iter().zip(&names).map(|((person, embedding), name)| row(name, person, embedding)).collect();
    let identity = EmbedderIdentity { digest: [1; 32], dims: 1, metric: Metric::Euclidean };
    let dir = tempfile::tempdir().unwrap();
    IndexWriter::lock(dir.path()).unwrap().publish(&identity, &rows, &[]).unwrap();
    let gallery = Gallery::open(dir.path(), &identity, Verify::Header).unwrap();
    let people = |score| {
        let hits = gallery.nearest_people(&[0.0], 3, score).unwrap();
        hits.iter().map(|hit| (gallery.row(hit.row).person, hit.row, hit.distance)).collect::<Vec<_>>()
    };
    assert_eq!(people(PersonScore::BestRow), [("a", 0, 1.0), ("b", 1, 3.0), ("c", 4, 4.0)]);
    assert_eq!(people(mean_of_top(2)), [("b", 1, 3.0), ("c", 4, 4.0), ("a", 0, 5.0)]);
}

#[test]
fn probes_that_are_no_embeddings_are_refused() {
    let (_dir, gallery, _) = gallery(3, 1, 4, Metric::Euclidean);
    for probe in [&[][..], &[0.0; 3], &[0.0; 5]] {
        let error = gallery.search(probe, 1).unwrap_err();
        assert_eq!(gallery.search_many(&[&[0.5; 4], probe], 1).unwrap_err().to_string(), error.to_string());
        assert!(matches!(error, GalleryError::ProbeDims { expected: 4, found } if found == probe.len()), "{error}");
    }
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = gallery.best_per_person(&[0.0, number, 0.0, 0.0], 1).unwrap_err();
        assert!(matches!(error, GalleryError::ProbeNotFinite), "{error}");
    }
    assert_eq!(gallery.search(&[0.0; 4], 0).unwrap(), []);
}

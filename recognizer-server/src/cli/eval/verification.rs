//! `recognizer eval verification`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use facerecog_engine::embed::{distance, similarity};
use rayon::slice::ParallelSliceMut;
use serde::Serialize;

use super::super::error::CliError;
use super::super::session::Session;
use super::super::{Outcome, table};
use super::embedding::{EmbeddedPhotos, EmbeddingOptions};
use super::pair_lists::PairLists;
use super::percent;
use super::report::{PICTURES, ReportOptions, RocNames, common_notes, distance_histogram, picture, roc_charts};
use crate::eval::bootstrap::{Count, Interval, Rate, certain, percentiles, rate, replicate};
use crate::eval::report::{PictureRow, Report, Table, with_interval};
use crate::eval::roc::{Roc, Scored};
use crate::eval::{FoldAccuracy, MetricsError, Pair, ScoredPair, fold_accuracy, people_of, roc};

/// Same person or not: accuracy, TAR at FAR and EER over pairs of photos
///
/// The lists are CSV files with the columns fold,same,image_a,image_b; several are taken as one. Every
/// photo is embedded once, by the face nearest its centre; where no face is found the middle of the
/// photo is taken, and counted. Accuracy is the mean over the folds, each tested at the threshold
/// that is best on all others.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  recognizer eval verification pairsDevTrain.csv pairsDevTest.csv --root lfw --pack fast")]
pub(super) struct Verification {
    #[command(flatten)]
    lists: PairLists,
    /// Also write every pair's distance and similarity to this CSV file
    #[arg(long, value_name = "OUT.csv")]
    scores: Option<PathBuf>,
    #[command(flatten)]
    report: ReportOptions,
    #[command(flatten)]
    embedding: EmbeddingOptions,
}

#[derive(Serialize)]
struct VerificationRecord {
    pack: String,
    precision: &'static str,
    pairs: usize,
    photos: usize,
    photos_without_face: usize,
    accuracy: MeanStd,
    threshold: Mean,
    tar_at_far: TarAtFar<f64>,
    eer: f64,
    /// Area under the ROC curve.
    auc: f64,
    intervals: Intervals,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupRecord>,
    seconds: f64,
}

/// Where the numbers of the same names lie.
#[derive(Clone, Copy, Serialize)]
struct Intervals {
    accuracy: Interval,
    tar_at_far: TarAtFar<Interval>,
    eer: Interval,
    auc: Interval,
}

#[derive(Serialize)]
struct GroupRecord {
    group: String,
    pairs: usize,
    /// Of pairs of one person at the mean threshold: how many are not taken for one.
    miss_rate: Option<Rate>,
    /// Of pairs of different people: how many are taken for one.
    false_match_rate: Option<Rate>,
}

#[derive(Serialize)]
struct MeanStd {
    mean: f64,
    std: f64,
}

#[derive(Serialize)]
struct Mean {
    mean: f64,
}

#[derive(Clone, Copy, Serialize)]
struct TarAtFar<T> {
    #[serde(rename = "1e-2")]
    far_1e_2: T,
    #[serde(rename = "1e-3")]
    far_1e_3: T,
}

#[derive(Serialize)]
struct ScoreRow<'a> {
    fold: u32,
    same: u8,
    image_a: &'a Path,
    image_b: &'a Path,
    distance: f32,
    similarity: f32,
}

impl From<MetricsError> for CliError {
    fn from(error: MetricsError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Verification {
    pub(super) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let started = Instant::now();
        let pairs = self.lists.read()?;
        let root = self.lists.root();
        let paths = pairs.iter().flat_map(|pair| [pair.image_a.as_path(), pair.image_b.as_path()]);
        let photos = self.embedding.embed_all(session, root, paths)?;

        let mut scores = self.scores.as_deref().map(open_scores).transpose()?;
        let mut scored = Vec::with_capacity(pairs.len());
        for pair in &pairs {
            let distance = distance(&photos.get(&pair.image_a).embedding, &photos.get(&pair.image_b).embedding);
            scored.push(ScoredPair { fold: pair.fold, same: pair.same, distance: f64::from(distance) });
            if let Some((path, writer)) = &mut scores {
                let row = ScoreRow {
                    fold: pair.fold,
                    same: pair.same.into(),
                    image_a: &pair.image_a,
                    image_b: &pair.image_b,
                    distance,
                    similarity: similarity(distance),
                };
                writer.serialize(row).map_err(|error| scores_failed(path, &error))?;
            }
        }
        if let Some((path, mut writer)) = scores {
            writer.flush().map_err(|error| scores_failed(&path, &error))?;
        }

        let FoldAccuracy { mean, std, threshold, right } = fold_accuracy(&scored)?;
        let roc = roc(&scored)?;
        let record = VerificationRecord {
            pack: session.pack_name.clone(),
            precision: photos.recognizer.pack().entry().precision.name(),
            pairs: pairs.len(),
            photos: photos.len(),
            photos_without_face: photos.without_face(),
            accuracy: MeanStd { mean, std },
            threshold: Mean { mean: threshold },
            tar_at_far: TarAtFar { far_1e_2: roc.true_accepts_at(1e-2), far_1e_3: roc.true_accepts_at(1e-3) },
            eer: roc.equal_error_rate(),
            auc: roc.area(),
            intervals: intervals(&pairs, &scored, &right)?,
            groups: groups(&pairs, &scored, threshold),
            seconds: started.elapsed().as_secs_f64(),
        };
        self.report.write(|| report(&record, &pairs, &scored, &roc, &photos, root))?;
        session.output.answer(&record, || describe(&record))?;
        Ok(Outcome::Complete)
    }
}

type Scores = (PathBuf, csv::Writer<std::fs::File>);

fn open_scores(path: &Path) -> Result<Scores, CliError> {
    let writer = csv::Writer::from_path(path).map_err(|error| scores_failed(path, &error))?;
    Ok((path.to_owned(), writer))
}

fn scores_failed(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::Failed(format!("{}: could not be written: {error}", path.display()))
}

fn describe(record: &VerificationRecord) -> String {
    let rows = [
        ["pack", &record.pack],
        ["precision", record.precision],
        ["pairs", &record.pairs.to_string()],
        ["photos", &format!("{} ({} without a face)", record.photos, record.photos_without_face)],
        ["accuracy", &format!("{} ± {}", percent(record.accuracy.mean), percent(record.accuracy.std))],
        ["", &between(record.intervals.accuracy)],
        ["threshold", &format!("{:.4}", record.threshold.mean)],
        ["TAR at FAR 1e-2", &with(record.tar_at_far.far_1e_2, record.intervals.tar_at_far.far_1e_2)],
        ["TAR at FAR 1e-3", &with(record.tar_at_far.far_1e_3, record.intervals.tar_at_far.far_1e_3)],
        ["EER", &with(record.eer, record.intervals.eer)],
        ["AUC", &with(record.auc, record.intervals.auc)],
        ["time", &format!("{:.1} s", record.seconds)],
    ];
    let mut rows = rows.map(|row| row.map(str::to_owned).to_vec()).to_vec();
    for group in &record.groups {
        rows.push(vec![format!("group {}", group.group), format!("{} pairs", group.pairs)]);
        rows.push(vec!["  missed".to_owned(), with_interval(group.miss_rate)]);
        rows.push(vec!["  taken for one person".to_owned(), with_interval(group.false_match_rate)]);
    }
    table::table(&rows)
}

fn between(interval: Interval) -> String {
    format!("({} to {})", percent(interval.low), percent(interval.high))
}

fn with(mean: f64, interval: Interval) -> String {
    format!("{} {}", percent(mean), between(interval))
}

/// Draws people, and with each pair its people: as often as both were drawn.
fn intervals(pairs: &[Pair], scored: &[ScoredPair], right: &[bool]) -> Result<Intervals, CliError> {
    let people = people_of(pairs);
    let mut sorted: Vec<(Scored, [usize; 2], bool)> = pairs
        .iter()
        .zip(scored)
        .zip(right)
        .map(|((pair, scored), &right)| {
            let people = [&pair.image_a, &pair.image_b].map(|photo| people.photos[photo.as_path()]);
            (Scored { same: pair.same, distance: scored.distance }, people, right)
        })
        .collect();
    sorted.par_sort_by(|a, b| a.0.distance.total_cmp(&b.0.distance));
    let by_distance: Vec<Scored> = sorted.iter().map(|pair| pair.0).collect();
    let measure = |weights: &[u32]| {
        let weight = |index: usize| {
            let (scored, [a, b], _) = &sorted[index];
            f64::from(if scored.same { weights[*a] } else { weights[*a] * weights[*b] })
        };
        let roc = Roc::weighted(&by_distance, weight)?;
        let (mut right, mut all) = (0.0, 0.0);
        for (index, pair) in sorted.iter().enumerate() {
            all += weight(index);
            right += if pair.2 { weight(index) } else { 0.0 };
        }
        Some([right / all, roc.true_accepts_at(1e-2), roc.true_accepts_at(1e-3), roc.equal_error_rate(), roc.area()])
    };
    let measured = measure(&vec![1; people.people]);
    let drawn = replicate(people.people, measure);
    let interval = |index: usize| {
        if let Some(Rate { low, high, .. }) = measured.and_then(|values| certain(values[index], people.people)) {
            return Ok(Interval { low, high });
        }
        percentiles(drawn.iter().map(|values: &[f64; 5]| values[index]).collect())
            .ok_or_else(|| CliError::Usage("the pairs are of too few people for intervals".to_owned()))
    };
    Ok(Intervals {
        accuracy: interval(0)?,
        tar_at_far: TarAtFar { far_1e_2: interval(1)?, far_1e_3: interval(2)? },
        eer: interval(3)?,
        auc: interval(4)?,
    })
}

/// Errors of every group that is named at one threshold, by name. Each pair counts for the person of its first photo.
fn groups(pairs: &[Pair], scored: &[ScoredPair], threshold: f64) -> Vec<GroupRecord> {
    let people = people_of(pairs);
    let mut groups: BTreeMap<&str, Vec<(&Pair, &ScoredPair)>> = BTreeMap::new();
    for (pair, scored) in pairs.iter().zip(scored) {
        if let Some(group) = pair.group.as_deref() {
            groups.entry(group).or_default().push((pair, scored));
        }
    }
    let errors = |pairs: &[(&Pair, &ScoredPair)], same: bool| {
        let mut counts = vec![Count::default(); people.people];
        for (pair, scored) in pairs.iter().filter(|(pair, _)| pair.same == same) {
            counts[people.photos[pair.image_a.as_path()]] += Count::of((scored.distance < threshold) != same);
        }
        rate(&counts)
    };
    groups
        .into_iter()
        .map(|(group, pairs)| GroupRecord {
            group: group.to_owned(),
            pairs: pairs.len(),
            miss_rate: errors(&pairs, true),
            false_match_rate: errors(&pairs, false),
        })
        .collect()
}

fn report(
    record: &VerificationRecord,
    pairs: &[Pair],
    scored: &[ScoredPair],
    roc: &Roc,
    photos: &EmbeddedPhotos,
    root: &Path,
) -> Result<Report, CliError> {
    let distances = |same| scored.iter().filter(|pair| pair.same == same).map(|pair| pair.distance).collect();
    let kinds = [("one person", distances(true)), ("different people", distances(false))];
    let names = RocNames { accepts: "true accepts", misses: "misses", false_accepts: "false accepts" };
    let mut charts = roc_charts(&[("all pairs", roc)], &names, None);
    charts.push(distance_histogram("Distances", kinds, Some(record.threshold.mean)));
    let worst = |same: bool| -> Result<Vec<_>, CliError> {
        let mut worst: Vec<(&Pair, f64)> =
            pairs.iter().zip(scored).filter(|(pair, _)| pair.same == same).map(|(p, s)| (p, s.distance)).collect();
        worst.sort_by(|(_, a), (_, b)| if same { b.total_cmp(a) } else { a.total_cmp(b) });
        let shown = worst.iter().take(PICTURES).map(|(pair, distance)| {
            let (a, b) = (pair.image_a.as_path(), pair.image_b.as_path());
            let caption = format!("{distance:.3}: {} and {}", a.display(), b.display());
            picture(photos, root, &[(a, "one photo"), (b, "the other")], caption)
        });
        shown.collect()
    };
    let groups = record.groups.iter().map(|group| {
        let (misses, matches) = (with_interval(group.miss_rate), with_interval(group.false_match_rate));
        vec![group.group.clone(), group.pairs.to_string(), misses, matches]
    });
    let rows: Vec<Vec<String>> = groups.collect();
    let headings = ["group", "pairs", "missed", "taken for one person"].map(str::to_owned).to_vec();
    let table = Table { title: "By group, at the mean threshold".to_owned(), headings, rows };
    let interval = &record.intervals;
    Ok(Report {
        title: "Verification: same person or not".to_owned(),
        subtitle: format!("pack {}, precision {}", record.pack, record.precision),
        facts: [
            ("Pairs", record.pairs.to_string()),
            ("Photos", format!("{}, {} without a face", record.photos, record.photos_without_face)),
            ("Accuracy", with(record.accuracy.mean, interval.accuracy)),
            ("Mean threshold", format!("{:.4}", record.threshold.mean)),
            ("TAR at FAR 1e-2", with(record.tar_at_far.far_1e_2, interval.tar_at_far.far_1e_2)),
            ("TAR at FAR 1e-3", with(record.tar_at_far.far_1e_3, interval.tar_at_far.far_1e_3)),
            ("Equal error rate", with(record.eer, interval.eer)),
            ("Area under the ROC curve", with(record.auc, interval.auc)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec(),
        tables: if table.rows.is_empty() { vec![] } else { vec![table] },
        charts,
        pictures: vec![
            PictureRow {
                title: "Different people, the nearest first".to_owned(),
                explanation: "Distance and photos of pairs that are listed as different people.".to_owned(),
                pictures: worst(false)?,
            },
            PictureRow {
                title: "One person, the farthest first".to_owned(),
                explanation: "Distance and photos of pairs that are listed as one person.".to_owned(),
                pictures: worst(true)?,
            },
        ],
        notes: common_notes(),
    })
}

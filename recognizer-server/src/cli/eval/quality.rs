//! `recognizer eval quality`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use facerecog_engine::embed::distance;
use facerecog_engine::quality::FaceQuality;
use serde::Serialize;

use super::super::decision_options::DecisionOptions;
use super::super::error::CliError;
use super::super::session::Session;
use super::super::{Outcome, table};
use super::embedding::{EmbeddedPhotos, EmbeddingOptions};
use super::pair_lists::PairLists;
use super::percent;
use super::report::{PICTURES, ReportOptions, common_notes, picture};
use crate::eval::bootstrap::{Interval, Rate, certain, percentiles, replicate};
use crate::eval::error_reject::{ErrorReject, Judged, MOST_REJECTED};
use crate::eval::report::{Axis, Chart, Histogram, Lines, PictureRow, Report, Series, Table};
use crate::eval::{Pair, people_of};

/// Whether the quality of faces tells which are not recognised: the error-versus-reject curve
///
/// The lists are those of `eval verification`, of which the pairs of one person count. A pair is as good as the worse of
/// its two photos. The pairs of the lowest quality are rejected, and what is missed of those that are left is counted, at
/// the threshold of the default decision. A quality that tells the errors makes the curve fall; one that tells nothing
/// leaves it level. Pairs with a photo without a face are left out, and counted.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  recognizer eval quality pairsDevTrain.csv pairsDevTest.csv --root lfw --html quality.html")]
pub(super) struct Quality {
    #[command(flatten)]
    lists: PairLists,
    /// Also write every pair's quality, the detector's score, and whether it is missed, to this CSV file
    #[arg(long, value_name = "OUT.csv")]
    scores: Option<PathBuf>,
    #[command(flatten)]
    decision: DecisionOptions,
    #[command(flatten)]
    report: ReportOptions,
    #[command(flatten)]
    embedding: EmbeddingOptions,
}

/// Shares of the pairs that are rejected.
const REJECTED: [f64; 7] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, MOST_REJECTED];

/// Points of a drawn curve.
const CURVE_POINTS: u32 = 120;

/// Bars of the histogram.
const BARS: usize = 40;

/// What may be told the errors by: the quality, then what it is made of.
const JUDGES: [(&str, Judge); 6] = [
    ("quality", |quality| quality.score),
    ("detector_score", |quality| quality.measured.detector_score),
    ("sharpness", |quality| quality.factors.sharpness),
    ("noise", |quality| quality.factors.noise),
    ("exposure", |quality| quality.factors.exposure),
    ("pose", |quality| quality.factors.pose),
];

type Judge = fn(&FaceQuality) -> f32;

#[derive(Serialize)]
struct QualityRecord {
    pack: String,
    precision: &'static str,
    /// Of one person, both photos with a face.
    pairs: usize,
    pairs_without_face: usize,
    threshold: f32,
    curve: Vec<PointRecord>,
    /// By each judge alone.
    judges: Vec<JudgeRecord>,
    /// Mean miss rate up to the last share of the curve, if misses alone were rejected.
    ideal_area: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupRecord>,
}

#[derive(Serialize)]
struct PointRecord {
    /// Share of the pairs.
    rejected: f64,
    /// The least quality of those that are left.
    min_quality: f64,
    /// Share of the photos that are worse.
    photos: f64,
    miss_rate: f64,
    interval: Option<Interval>,
    /// If misses alone were rejected.
    ideal: f64,
}

#[derive(Serialize)]
struct JudgeRecord {
    judge: &'static str,
    /// Mean miss rate up to the last share of the curve.
    area: f64,
    /// 0 for rejecting by lot, 1 for rejecting misses alone; null when nothing is missed.
    gain: Option<f64>,
    interval: Option<Interval>,
}

/// The pairs of a group alone.
#[derive(Serialize)]
struct GroupRecord {
    group: String,
    pairs: usize,
    miss_rate: f64,
    /// Of the quality, as that of a judge.
    gain: Option<f64>,
    interval: Option<Interval>,
}

#[derive(Serialize)]
struct ScoreRow<'a> {
    image_a: &'a Path,
    image_b: &'a Path,
    distance: f32,
    missed: u8,
    quality: f32,
    detector_score: f32,
}

/// A pair of one person, both photos with a face.
struct JudgedPair<'a> {
    pair: &'a Pair,
    distance: f32,
    missed: bool,
    qualities: [FaceQuality; 2],
    person: usize,
}

impl JudgedPair<'_> {
    fn worse(&self, judge: Judge) -> f32 {
        judge(&self.qualities[0]).min(judge(&self.qualities[1]))
    }
}

impl Quality {
    pub(super) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let mut pairs = self.lists.read()?;
        pairs.retain(|pair| pair.same);
        let root = self.lists.root();
        let paths = pairs.iter().flat_map(|pair| [pair.image_a.as_path(), pair.image_b.as_path()]);
        let photos = self.embedding.embed_all(session, root, paths)?;
        let threshold = self.decision.for_search(photos.recognizer.pack(), 1)?.threshold;
        let judged = judge_pairs(&pairs, &photos, threshold);
        if let Some(path) = &self.scores {
            write_scores(path, &judged)
                .map_err(|error| CliError::Failed(format!("{}: could not be written: {error}", path.display())))?;
        }

        let people = people_of(&pairs).people;
        let curves: Vec<Judgement> = JUDGES
            .iter()
            .map(|(_, judge)| Judgement::new(judged.iter(), *judge, people))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                CliError::Usage("the lists hold no pair of one person with a face on both photos".to_owned())
            })?;
        let quality = &curves[0];
        let record = QualityRecord {
            pack: session.pack_name.clone(),
            precision: photos.recognizer.pack().entry().precision.name(),
            pairs: judged.len(),
            pairs_without_face: pairs.len() - judged.len(),
            threshold,
            curve: points(quality, &photos_by_quality(&judged)),
            judges: JUDGES
                .iter()
                .zip(&curves)
                .map(|(&(judge, _), judgement)| JudgeRecord {
                    judge,
                    area: judgement.curve.area(),
                    gain: judgement.curve.gain(),
                    interval: judgement.gain,
                })
                .collect(),
            ideal_area: quality.curve.ideal_area(),
            groups: groups(&judged, people),
        };
        self.report.write(|| report(&record, &curves, &judged, &photos, root))?;
        session.output.answer(&record, || describe(&record))?;
        Ok(Outcome::Complete)
    }
}

fn judge_pairs<'a>(pairs: &'a [Pair], photos: &EmbeddedPhotos, threshold: f32) -> Vec<JudgedPair<'a>> {
    let people = people_of(pairs);
    let judged = |pair: &'a Pair| {
        let [a, b] = [&pair.image_a, &pair.image_b].map(|path| photos.get(path));
        let distance = distance(&a.embedding, &b.embedding);
        Some(JudgedPair {
            pair,
            distance,
            missed: distance >= threshold,
            qualities: [photos.quality(&pair.image_a)?, photos.quality(&pair.image_b)?],
            person: people.photos[pair.image_a.as_path()],
        })
    };
    pairs.iter().filter_map(judged).collect()
}

fn write_scores(path: &Path, judged: &[JudgedPair<'_>]) -> csv::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    for pair in judged {
        writer.serialize(ScoreRow {
            image_a: &pair.pair.image_a,
            image_b: &pair.pair.image_b,
            distance: pair.distance,
            missed: pair.missed.into(),
            quality: pair.worse(JUDGES[0].1),
            detector_score: pair.worse(JUDGES[1].1),
        })?;
    }
    Ok(writer.flush()?)
}

/// A curve and how sure it is.
struct Judgement {
    /// Sorted.
    judged: Vec<Judged>,
    curve: ErrorReject,
    gain: Option<Interval>,
    /// Of the miss rate at each of [`REJECTED`].
    miss_rates: [Option<Interval>; REJECTED.len()],
}

impl Judgement {
    /// Draws people, and with each the pairs of this person.
    fn new<'a>(pairs: impl Iterator<Item = &'a JudgedPair<'a>>, judge: Judge, people: usize) -> Option<Self> {
        let of_pair =
            |pair: &JudgedPair<'_>| (Judged { quality: pair.worse(judge).into(), missed: pair.missed }, pair.person);
        let mut sorted: Vec<(Judged, usize)> = pairs.map(of_pair).collect();
        sorted.sort_by(|(a, _), (b, _)| a.quality.total_cmp(&b.quality));
        let (judged, person): (Vec<Judged>, Vec<usize>) = sorted.into_iter().unzip();
        let drawn = replicate(people, |weights| {
            let curve = ErrorReject::weighted(&judged, |index| weights[person[index]].into())?;
            Some((curve.gain(), REJECTED.map(|rejected| curve.miss_rate(rejected))))
        });
        let curve = ErrorReject::weighted(&judged, |_| 1.0)?;
        let miss_rate = |index: usize| match certain(curve.miss_rate(REJECTED[index]), people) {
            Some(Rate { low, high, .. }) => Some(Interval { low, high }),
            None => percentiles(drawn.iter().map(|(_, at)| at[index]).collect()),
        };
        Some(Self {
            miss_rates: std::array::from_fn(miss_rate),
            curve,
            gain: percentiles(drawn.iter().filter_map(|(gain, _)| *gain).collect()),
            judged,
        })
    }

    /// The least quality that is left when this share is rejected.
    fn least_left(&self, rejected: f64) -> f64 {
        let place = (rejected * self.judged.len() as f64).floor() as usize;
        self.judged.get(place).map_or(1.0, |judged| judged.quality)
    }
}

/// Every photo once, with its quality, the worst first.
fn photos_by_quality<'a>(judged: &'a [JudgedPair<'_>]) -> Vec<(&'a Path, FaceQuality)> {
    let of_pair = |pair: &'a JudgedPair<'_>| {
        [(pair.pair.image_a.as_path(), pair.qualities[0]), (pair.pair.image_b.as_path(), pair.qualities[1])]
    };
    let mut photos: Vec<(&Path, FaceQuality)> = judged.iter().flat_map(of_pair).collect();
    photos.sort_by(|a, b| a.1.score.total_cmp(&b.1.score).then_with(|| a.0.cmp(b.0)));
    photos.dedup_by_key(|photo| photo.0);
    photos
}

/// Every group that is named, by name.
fn groups(judged: &[JudgedPair<'_>], people: usize) -> Vec<GroupRecord> {
    let mut groups: BTreeMap<&str, Vec<&JudgedPair<'_>>> = BTreeMap::new();
    for pair in judged {
        if let Some(group) = pair.pair.group.as_deref() {
            groups.entry(group).or_default().push(pair);
        }
    }
    let of_group = |(group, pairs): (&str, Vec<&JudgedPair<'_>>)| {
        let judgement = Judgement::new(pairs.iter().copied(), JUDGES[0].1, people)?;
        Some(GroupRecord {
            group: group.to_owned(),
            pairs: pairs.len(),
            miss_rate: judgement.curve.miss_rate(0.0),
            gain: judgement.curve.gain(),
            interval: judgement.gain,
        })
    };
    groups.into_iter().filter_map(of_group).collect()
}

fn points(quality: &Judgement, photos: &[(&Path, FaceQuality)]) -> Vec<PointRecord> {
    let point = |(&rejected, &interval): (&f64, &Option<Interval>)| {
        let least = quality.least_left(rejected);
        let worse = photos.partition_point(|(_, quality)| f64::from(quality.score) < least);
        PointRecord {
            rejected,
            min_quality: least,
            photos: worse as f64 / photos.len() as f64,
            miss_rate: quality.curve.miss_rate(rejected),
            interval,
            ideal: quality.curve.ideal_miss_rate(rejected),
        }
    };
    REJECTED.iter().zip(&quality.miss_rates).map(point).collect()
}

fn with(value: String, interval: Option<(String, String)>) -> String {
    match interval {
        Some((low, high)) => format!("{value} ({low} to {high})"),
        None => value,
    }
}

fn rate(mean: f64, interval: Option<Interval>) -> String {
    with(percent(mean), interval.map(|interval| (percent(interval.low), percent(interval.high))))
}

fn gain(gain: Option<f64>, interval: Option<Interval>) -> String {
    let number = |value: f64| format!("{value:.3}");
    let Some(gain) = gain else { return "nothing is missed".to_owned() };
    with(number(gain), interval.map(|interval| (number(interval.low), number(interval.high))))
}

fn curve_rows(record: &QualityRecord) -> Vec<Vec<String>> {
    let row = |point: &PointRecord| {
        vec![
            percent(point.rejected),
            format!("{:.3}", point.min_quality),
            percent(point.photos),
            rate(point.miss_rate, point.interval),
            percent(point.ideal),
        ]
    };
    record.curve.iter().map(row).collect()
}

const CURVE_HEADINGS: [&str; 5] = ["pairs rejected", "least quality", "photos below", "missed of the rest", "ideal"];

fn judge_rows(record: &QualityRecord) -> Vec<Vec<String>> {
    let row = |judge: &JudgeRecord| {
        vec![judge.judge.replace('_', " "), percent(judge.area), gain(judge.gain, judge.interval)]
    };
    record.judges.iter().map(row).collect()
}

const JUDGE_HEADINGS: [&str; 3] = ["rejected by", "missed, mean", "gain (by lot 0, ideal 1)"];

fn group_rows(record: &QualityRecord) -> Vec<Vec<String>> {
    let row = |group: &GroupRecord| {
        let (name, pairs) = (group.group.clone(), group.pairs.to_string());
        vec![name, pairs, percent(group.miss_rate), gain(group.gain, group.interval)]
    };
    record.groups.iter().map(row).collect()
}

const GROUP_HEADINGS: [&str; 4] = ["group", "pairs", "missed", "gain of quality"];

fn describe(record: &QualityRecord) -> String {
    let facts = [
        ["pack", &record.pack],
        ["precision", record.precision],
        ["pairs of one person", &format!("{} ({} more without a face)", record.pairs, record.pairs_without_face)],
        ["threshold", &format!("{:.4}", record.threshold)],
    ];
    let facts: Vec<Vec<String>> = facts.map(|row| row.map(str::to_owned).to_vec()).to_vec();
    let headed = |headings: &[&str], rows: Vec<Vec<String>>| {
        let head = headings.iter().map(|heading| heading.to_uppercase()).collect();
        table::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
    };
    let mut tables = vec![
        table::table(&facts),
        headed(&CURVE_HEADINGS, curve_rows(record)),
        headed(&JUDGE_HEADINGS, judge_rows(record)),
    ];
    if !record.groups.is_empty() {
        tables.push(headed(&GROUP_HEADINGS, group_rows(record)));
    }
    tables.join("\n\n")
}

/// What a least quality costs and what it brings.
fn limits(judged: &[Judged], photos: &[(&Path, FaceQuality)]) -> Chart {
    let limits = || (0..=CURVE_POINTS).map(|step| f64::from(step) / f64::from(CURVE_POINTS));
    let below = |limit: f64| {
        let worse = photos.partition_point(|(_, quality)| f64::from(quality.score) < limit);
        (limit, worse as f64 / photos.len() as f64)
    };
    let missed = |limit: f64| {
        let left = &judged[judged.partition_point(|pair| pair.quality < limit)..];
        let missed = left.iter().filter(|pair| pair.missed).count();
        (!left.is_empty()).then(|| (limit, missed as f64 / left.len() as f64))
    };
    Chart::lines(Lines {
        title: "What a least quality costs".to_owned(),
        x: Axis::share("least quality"),
        y: Axis::share("share"),
        series: vec![
            Series { name: "photos below".to_owned(), points: limits().map(below).collect() },
            Series { name: "missed of the rest".to_owned(), points: limits().filter_map(missed).collect() },
        ],
        marks: Vec::new(),
    })
}

/// Qualities of the pairs that are recognised and of those that are missed.
fn histogram(judged: &[Judged]) -> Chart {
    let shares = |missed: bool| {
        let mut shares = vec![0.0; BARS];
        let of_kind: Vec<f64> = judged.iter().filter(|pair| pair.missed == missed).map(|pair| pair.quality).collect();
        for quality in &of_kind {
            shares[((quality * BARS as f64) as usize).min(BARS - 1)] += 1.0 / of_kind.len() as f64;
        }
        shares
    };
    Chart::histogram(Histogram {
        title: "Qualities".to_owned(),
        x: "quality of the worse photo".to_owned(),
        from: 0.0,
        to: 1.0,
        kinds: vec![("recognised".to_owned(), shares(false)), ("missed".to_owned(), shares(true))],
        threshold: None,
    })
}

fn report(
    record: &QualityRecord,
    curves: &[Judgement],
    judged: &[JudgedPair<'_>],
    photos: &EmbeddedPhotos,
    root: &Path,
) -> Result<Report, CliError> {
    let drawn = |name: &str, curve: &dyn Fn(f64) -> f64| Series {
        name: name.to_owned(),
        points: (0..=CURVE_POINTS)
            .map(|step| MOST_REJECTED * f64::from(step) / f64::from(CURVE_POINTS))
            .map(|rejected| (rejected, curve(rejected)))
            .collect(),
    };
    let quality = &curves[0].curve;
    let by_lot = quality.miss_rate(0.0);
    let series = vec![
        drawn("quality", &|rejected| quality.miss_rate(rejected)),
        drawn("detector's score", &|rejected| curves[1].curve.miss_rate(rejected)),
        drawn("ideal", &|rejected| quality.ideal_miss_rate(rejected)),
        drawn("by lot", &|_| by_lot),
    ];
    let highest = series.iter().flat_map(|series| &series.points).map(|point| point.1).fold(1e-3, f64::max);
    let lines = Lines {
        title: "Errors by what is rejected".to_owned(),
        x: Axis::linear("pairs rejected", 0.0, MOST_REJECTED),
        y: Axis::linear("missed of the rest", 0.0, highest),
        series,
        marks: Vec::new(),
    };
    let worst = photos_by_quality(judged);
    let shown = worst.iter().take(PICTURES).map(|(path, quality)| {
        let fault = quality.worst_fault().map_or(String::new(), |fault| format!("{fault}: "));
        picture(photos, root, &[(path, "a face")], format!("{:.3}: {fault}{}", quality.score, path.display()))
    });
    let table = |title: &str, headings: &[&str], rows| Table {
        title: title.to_owned(),
        headings: headings.iter().map(|&heading| heading.to_owned()).collect(),
        rows,
    };
    let mut tables = vec![
        table("Errors by what is rejected", &CURVE_HEADINGS, curve_rows(record)),
        table("What tells the errors", &JUDGE_HEADINGS, judge_rows(record)),
    ];
    if !record.groups.is_empty() {
        tables.push(table("By group", &GROUP_HEADINGS, group_rows(record)));
    }
    Ok(Report {
        title: "Quality: which faces are not recognised".to_owned(),
        subtitle: format!("pack {}, precision {}", record.pack, record.precision),
        facts: vec![
            ("Pairs of one person".to_owned(), record.pairs.to_string()),
            ("Pairs without a face".to_owned(), record.pairs_without_face.to_string()),
            ("Threshold".to_owned(), format!("{:.4}", record.threshold)),
            ("Gain of quality".to_owned(), gain(record.judges[0].gain, record.judges[0].interval)),
        ],
        tables,
        charts: vec![Chart::lines(lines), limits(&curves[0].judged, &worst), histogram(&curves[0].judged)],
        pictures: vec![PictureRow {
            title: "Faces of the lowest quality".to_owned(),
            explanation: "Quality, what lowers it most, and the photo.".to_owned(),
            pictures: shown.collect::<Result<_, _>>()?,
        }],
        notes: common_notes(),
    })
}

//! `recognizer eval calibrate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use facerecog_engine::model::{ErrorRates, Manifest};
use serde::Serialize;
use walkdir::WalkDir;

use super::super::Outcome;
use super::super::error::CliError;
use super::super::own_manifest::OwnManifest;
use super::super::photo_list::has_photo_extension;
use super::super::session::Session;
use super::embedding::{EmbeddedPhotos, EmbeddingOptions};
use super::pair_lists::read_all;
use super::report::{PICTURES, ReportOptions, common_notes, picture};
use crate::eval::calibration::{BIN, CalibrationError, Comparisons, LabelledPhoto, Pairing, PhotoPair};
use crate::eval::report::{Axis, Chart, Histogram, Lines, Mark, PictureRow, Report, Series, Table, share};
use crate::eval::{manifest_entry, people_of};

/// Measure thresholds at given rates of false matches, and the map to probabilities, for the manifest
///
/// Every photo is compared with every other: those of one person with each other, and with those of all others. A rate
/// for which there are fewer than 30 false matches is extrapolated from the tail of the nearest pairs, at most three
/// decades, and said to be. Photos without a face are left out. The same photos give the same entry.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  A folder with a folder of photos for each person; the entry is printed:
      recognizer eval calibrate people/ --data 'our staff 2026' --date 2026-05-01

  Written into a manifest of your own, and used:
      recognizer --pack fast eval calibrate people/ --data 'our staff 2026' --date 2026-05-01 --write my.toml
      recognizer --pack fast --manifest my.toml identify photo.jpg --fmr 0.001

  Only the pairs of lists, with the columns fold,same,image_a,image_b:
      recognizer eval calibrate lfw --pairs pairs.csv --data LFW --date 2026-05-01")]
pub(super) struct Calibrate {
    /// Folder with a folder of photos for each person; with --pairs, the folder that the lists' paths are relative to
    #[arg(value_name = "DIR")]
    people: PathBuf,
    /// Compare the pairs of these lists instead of all photos
    #[arg(long, value_name = "PAIRS.csv", num_args = 1..)]
    pairs: Vec<PathBuf>,
    /// What the photos are called, for whoever reads the manifest
    #[arg(long, value_name = "NAME")]
    data: String,
    /// The day that is noted in the manifest
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    date: String,
    /// Write the entry into this manifest, in the place of the one that it has
    #[arg(long, value_name = "MANIFEST")]
    write: Option<PathBuf>,
    #[command(flatten)]
    report: ReportOptions,
    #[command(flatten)]
    embedding: EmbeddingOptions,
}

#[derive(Serialize)]
struct CalibrateRecord<'a> {
    pack: &'a str,
    precision: &'static str,
    error_rates: &'a ErrorRates,
}

impl From<CalibrationError> for CliError {
    fn from(error: CalibrationError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// The photos of a calibration by path, and the person on each by number.
struct Labelled {
    photos: BTreeMap<PathBuf, usize>,
    people: usize,
    pairs: Option<Vec<(PathBuf, PathBuf, bool)>>,
}

impl Calibrate {
    pub(super) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let labelled = if self.pairs.is_empty() { in_folders(&self.people)? } else { self.in_lists()? };
        let photos = self.embedding.embed_all(session, &self.people, labelled.photos.keys().map(PathBuf::as_path))?;
        // Numbers without gaps of the photos that have a face, and of their people.
        let with_face: Vec<(&Path, usize)> = labelled
            .photos
            .iter()
            .filter(|(path, _)| photos.get(path).face.is_some())
            .map(|(path, &person)| (path.as_path(), person))
            .collect();
        let mut people = vec![false; labelled.people];
        with_face.iter().for_each(|&(_, person)| people[person] = true);
        let numbers: Vec<usize> = people
            .iter()
            .scan(0, |next, &is_there| {
                let number = *next;
                *next += usize::from(is_there);
                Some(number)
            })
            .collect();
        let compared: Vec<LabelledPhoto<'_>> = with_face
            .iter()
            .map(|&(path, person)| LabelledPhoto { person: numbers[person], embedding: &photos.get(path).embedding })
            .collect();
        let place = |path: &PathBuf| with_face.binary_search_by(|(other, _)| (*other).cmp(path)).ok();
        let pairs: Option<Vec<(usize, usize, bool)>> = labelled
            .pairs
            .as_ref()
            .map(|pairs| pairs.iter().filter_map(|(a, b, same)| Some((place(a)?, place(b)?, *same))).collect());
        let pairing = pairs.as_deref().map_or(Pairing::All, Pairing::Listed);
        let comparisons = Comparisons::new(&compared, pairing, people.iter().filter(|there| **there).count())?;
        let rates = comparisons
            .error_rates(&self.data, &self.date, photos.without_face() as u64)
            .ok_or_else(|| CliError::Usage("the photos are of too few people for intervals".to_owned()))?;

        if let Some(manifest) = &self.write {
            write(manifest, &session.pack_name, &rates)?;
        }
        self.report.write(|| report(session, &rates, &comparisons, &with_face, &photos, &self.people))?;
        let precision = photos.recognizer.pack().entry().precision.name();
        let record = CalibrateRecord { pack: &session.pack_name, precision, error_rates: &rates };
        session.output.answer(&record, || manifest_entry::write(&session.pack_name, &rates))?;
        Ok(Outcome::Complete)
    }

    fn in_lists(&self) -> Result<Labelled, CliError> {
        let pairs = read_all(&self.pairs)?;
        let people = people_of(&pairs);
        let photos = people.photos.into_iter().map(|(path, person)| (path.to_owned(), person)).collect();
        let people = people.people;
        let pairs = pairs.into_iter().map(|pair| (pair.image_a, pair.image_b, pair.same)).collect();
        Ok(Labelled { photos, people, pairs: Some(pairs) })
    }
}

/// Photos below folders, each outermost one a person.
fn in_folders(root: &Path) -> Result<Labelled, CliError> {
    let mut photos = BTreeMap::new();
    let mut people: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| CliError::Usage(error.to_string()))?;
        if !entry.file_type().is_file() || !has_photo_extension(entry.path()) || entry.depth() < 2 {
            continue;
        }
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned();
        let person: PathBuf = path.components().take(1).collect();
        let next = people.len();
        photos.insert(path, *people.entry(person).or_insert(next));
    }
    if people.len() < 2 {
        return Err(CliError::Usage(format!(
            "{}: photos of at least two people are needed, in a folder for each person",
            root.display()
        )));
    }
    Ok(Labelled { photos, people: people.len(), pairs: None })
}

/// Puts the entry into a manifest, which must be one before and after.
fn write(manifest: &Path, pack: &str, rates: &ErrorRates) -> Result<(), CliError> {
    // Before it is opened, which would begin one.
    Manifest::load(manifest)?.entry(pack)?;
    let own = OwnManifest::open(manifest)?;
    let text = manifest_entry::replace(own.text(), pack, rates);
    own.replace(&text)
}

fn date(text: &str) -> Result<String, String> {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split('-').collect::<Vec<_>>()[..] {
        [year, month, day]
            if digits(year, 4)
                && digits(month, 2)
                && digits(day, 2)
                && ("01"..="12").contains(&month)
                && ("01"..="31").contains(&day) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("a day as 2026-05-31".into()),
    }
}

fn report(
    session: &Session,
    rates: &ErrorRates,
    comparisons: &Comparisons<'_>,
    paths: &[(&Path, usize)],
    photos: &EmbeddedPhotos,
    root: &Path,
) -> Result<Report, CliError> {
    let rows = rates.operating_points.iter().map(|point| {
        let [low, high] = point.threshold_interval;
        let [miss_low, miss_high] = point.miss_rate_interval;
        vec![
            format!("{:e}", point.false_match_rate),
            format!("{:.4} ({low:.4} to {high:.4})", point.threshold),
            format!("{} ({} to {})", share(point.miss_rate), share(miss_low), share(miss_high)),
            if point.extrapolated { "extrapolated" } else { "measured" }.to_owned(),
        ]
    });
    let headings = ["false matches a comparison", "threshold", "misses a comparison", ""];
    let table =
        Table { title: "Thresholds".to_owned(), headings: headings.map(str::to_owned).to_vec(), rows: rows.collect() };
    let shown = |pairs: &[PhotoPair]| {
        let picture = |pair: &PhotoPair| {
            let (a, b) = (paths[pair.a].0, paths[pair.b].0);
            let caption = format!("{:.3}: {} and {}", pair.distance, a.display(), b.display());
            picture(photos, root, &[(a, "one photo"), (b, "the other")], caption)
        };
        pairs.iter().map(picture).collect::<Result<Vec<_>, CliError>>()
    };
    let nearest = &comparisons.nearest_different[..PICTURES.min(comparisons.nearest_different.len())];
    let mut notes = common_notes();
    notes.push(
        "Among photos labelled as different people, the nearest pairs are often the same person under two names: look at \
         them, mend the labels, and calibrate again. As long as they are counted, thresholds are stricter than they \
         would have to be."
            .to_owned(),
    );
    Ok(Report {
        title: "Calibration: thresholds and probabilities".to_owned(),
        subtitle: format!("pack {} on {}, {}", session.pack_name, rates.data, rates.date),
        facts: [
            ("People", rates.people.to_string()),
            ("Photos", format!("{}, and {} without a face", rates.photos, rates.photos_without_face)),
            ("Pairs of one person", rates.same_pairs.to_string()),
            ("Pairs of different people", rates.different_pairs.to_string()),
            ("As likely one person as two", format!("{:.4}", rates.probability.midpoint)),
            ("Probability by", rates.probability_method.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec(),
        tables: vec![table],
        charts: charts(rates, comparisons),
        pictures: vec![
            PictureRow {
                title: "Different people, the nearest first".to_owned(),
                explanation: "Distance and photos of pairs in different folders.".to_owned(),
                pictures: shown(nearest)?,
            },
            PictureRow {
                title: "One person, the farthest first".to_owned(),
                explanation: "Distance and photos of pairs of one person.".to_owned(),
                pictures: shown(&comparisons.farthest_same(PICTURES))?,
            },
        ],
        notes,
    })
}

fn charts(rates: &ErrorRates, comparisons: &Comparisons<'_>) -> Vec<Chart> {
    let (same_pairs, different_pairs) = (comparisons.same_pairs() as f64, comparisons.different_pairs() as f64);
    let (mut accepted, mut falsely) = (0.0, 0.0);
    let mut roc: Vec<(f64, f64)> = Vec::new();
    for (&same, &different) in comparisons.same.iter().zip(&comparisons.different) {
        accepted += same as f64 / same_pairs;
        falsely += different as f64 / different_pairs;
        if roc.last() != Some(&(falsely, accepted)) {
            roc.push((falsely, accepted));
        }
    }
    let det = roc.iter().map(|&(falsely, accepted)| (falsely, 1.0 - accepted)).collect();
    let series = |points| vec![Series { name: "all pairs".to_owned(), points }];
    let mark = |y: fn(f64) -> f64| {
        let measured = rates.operating_points.iter().filter(|point| !point.extrapolated);
        measured
            .map(|point| Mark {
                x: point.false_match_rate,
                y: y(point.miss_rate),
                label: format!("{:.3}", point.threshold),
            })
            .collect()
    };
    let last = comparisons.different.iter().rposition(|&pairs| pairs > 0).unwrap_or(0);
    let steps = (last / 60).max(1);
    let bars = |bins: &[u64], all: f64| {
        bins[..=last].chunks(steps).map(|chunk| chunk.iter().sum::<u64>() as f64 / all).collect::<Vec<f64>>()
    };
    let same = bars(&comparisons.same, same_pairs);
    let different = bars(&comparisons.different, different_pairs);
    let to = (same.len() * steps) as f64 * BIN;
    let seen: Vec<(f64, f64)> = same
        .iter()
        .zip(&different)
        .enumerate()
        .filter(|(_, (same, different))| **same + **different > 0.0)
        .map(|(bar, (same, different))| ((bar as f64 + 0.5) * steps as f64 * BIN, same / (same + different)))
        .collect();
    let fitted = (0..=200)
        .map(|i| f64::from(i) / 200.0 * to)
        .map(|distance| (distance, f64::from(rates.probability.probability(distance as f32))))
        .collect();
    vec![
        Chart::lines(Lines {
            title: "ROC: true accepts by false matches".to_owned(),
            x: Axis::log("false matches a comparison", 1e-7),
            y: Axis::share("true accepts"),
            series: series(roc),
            marks: mark(|misses| 1.0 - misses),
        }),
        Chart::lines(Lines {
            title: "DET: misses by false matches".to_owned(),
            x: Axis::log("false matches a comparison", 1e-7),
            y: Axis::log("misses", 1e-3),
            series: series(det),
            marks: mark(|misses| misses),
        }),
        Chart::histogram(Histogram {
            title: "Distances".to_owned(),
            x: "distance".to_owned(),
            from: 0.0,
            to,
            kinds: vec![("one person".to_owned(), same), ("different people".to_owned(), different)],
            threshold: None,
        }),
        Chart::lines(Lines {
            title: "Probability of one person, as likely beforehand as two".to_owned(),
            x: Axis::linear("distance", 0.0, to),
            y: Axis::share("probability"),
            series: vec![
                Series { name: "the map".to_owned(), points: fitted },
                Series { name: "the pairs".to_owned(), points: seen },
            ],
            marks: vec![],
        }),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_day_is_a_day() {
        assert_eq!(date("2026-05-31").as_deref(), Ok("2026-05-31"));
        for wrong in ["", "2026", "2026-13-01", "2026-00-10", "2026-01-32", "26-01-01", "2026-1-1", "2026-01-01-01"] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_outermost_folder_is_the_person() {
        let dir = tempfile::tempdir().unwrap();
        for photo in ["ada/1.jpg", "ada/2019/2.png", "bo/1.jpg", "bo/notes.txt", "loose.jpg"] {
            let path = dir.path().join(photo);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let found = in_folders(dir.path()).unwrap();
        assert_eq!(found.people, 2);
        let photos: Vec<(&str, usize)> = found.photos.iter().map(|(p, &n)| (p.to_str().unwrap(), n)).collect();
        assert_eq!(photos, [("ada/1.jpg", 0), ("ada/2019/2.png", 0), ("bo/1.jpg", 1)]);
        assert_eq!(in_folders(&dir.path().join("ada")).map(|found| found.people).unwrap_err().exit_status(), 2);
    }
}

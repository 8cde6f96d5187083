//! `recognizer eval detection`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use facerecog_engine::BoundingBox;
use facerecog_engine::detect::DetectOptions;
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::Recognizer;
use serde::Serialize;

use super::super::error::CliError;
use super::super::in_order::for_each_in_order;
use super::super::photo_options::PhotoOptions;
use super::super::session::Session;
use super::super::{Outcome, progress, table};
use super::report::{PICTURES, ReportOptions};
use crate::eval::bootstrap::Rate;
use crate::eval::detection::{
    DetectionRates, LEAST_OVERLAP, LabelledPhoto, Looked, RecallPoint, average_precision, detection_rates, recall_curve,
};
use crate::eval::report::{
    Axis, Chart, Histogram, Lines, Mark, Picture, PictureRow, Report, Series, Table, cut_out, with_interval,
};
use crate::eval::{BoxesError, read_boxes};

/// The least score of a box that the curves and the average precision begin at; detectors give few boxes below.
const LEAST_SCORE: f32 = 0.2;

/// Which faces are found: precision, recall, average precision, and false faces on photos without any
///
/// The list is a CSV file with the columns image,x,y,width,height and, if wanted, group: a line a face, its box in pixels
/// of the upright photo; a photo that shows no face has one line with these columns empty. A box is right when it and a
/// labelled one have half of their union in common, and of several boxes of a face the surest.
///
/// Precision and recall are those of the pack's score, or --min-score; the average precision is over all scores from 0.2.
/// Faces below --min-face are looked for as everywhere: not at all. Intervals are by draws of photos.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  recognizer eval detection boxes.csv --root photos --html report.html

  head -3 boxes.csv
      image,x,y,width,height
      party.jpg,210,64,80,96
      landscape.jpg,,,,")]
pub(super) struct Detection {
    /// List of boxes
    #[arg(value_name = "BOXES.csv")]
    boxes: PathBuf,
    /// Folder that the list's paths are relative to [default: the folder of the list]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(flatten)]
    report: ReportOptions,
    #[command(flatten)]
    photo: PhotoOptions,
}

#[derive(Debug, Serialize)]
struct DetectionRecord {
    pack: String,
    precision_of_numbers: &'static str,
    min_score: f32,
    /// Photos with faces, and their faces.
    photos: usize,
    faces: usize,
    photos_without_faces: usize,
    precision: Option<Rate>,
    recall: Option<Rate>,
    average_precision: Option<Rate>,
    /// On photos without faces, a photo.
    false_faces: Option<Rate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupRecord>,
}

#[derive(Debug, Serialize)]
struct GroupRecord {
    group: String,
    photos: usize,
    faces: usize,
    precision: Option<Rate>,
    recall: Option<Rate>,
    false_faces: Option<Rate>,
}

impl From<BoxesError> for CliError {
    fn from(error: BoxesError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Detection {
    pub(super) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let list = read_boxes(&self.boxes)?;
        let root = self.root.as_deref().or(self.boxes.parent()).unwrap_or(Path::new(""));
        let pack = session.pack()?;
        let asked = self.photo.detect();
        let min_score = asked.min_score.unwrap_or(pack.entry().detector.min_score);
        let precision_of_numbers = pack.entry().precision.name();
        let options = DetectOptions { min_score: Some(min_score.min(LEAST_SCORE)), ..asked };
        let recognizer = Recognizer::new(pack, options)?;
        let limits = self.photo.limits();

        let bar = progress::counting(list.len() as u64, "detecting");
        let mut looked = Vec::with_capacity(list.len());
        for_each_in_order(
            &list,
            |photo: &LabelledPhoto| look(&recognizer, root, photo, &limits),
            |photo: Result<Looked, CliError>| {
                looked.push(photo?);
                bar.inc(1);
                Ok::<(), CliError>(())
            },
        )?;
        bar.finish_and_clear();

        let DetectionRates { precision, recall, false_faces } = detection_rates(looked.iter(), min_score);
        let photos_without_faces = list.iter().filter(|photo| photo.faces.is_empty()).count();
        let record = DetectionRecord {
            pack: session.pack_name.clone(),
            precision_of_numbers,
            min_score,
            photos: list.len() - photos_without_faces,
            faces: list.iter().map(|photo| photo.faces.len()).sum(),
            photos_without_faces,
            precision,
            recall,
            average_precision: average_precision(&looked),
            false_faces,
            groups: groups(&list, &looked, min_score),
        };
        self.report.write(|| report(&record, &list, &looked, root, &limits))?;
        session.output.answer(&record, || describe(&record))?;
        Ok(Outcome::Complete)
    }
}

fn look(recognizer: &Recognizer, root: &Path, photo: &LabelledPhoto, limits: &Limits) -> Result<Looked, CliError> {
    let pixels = Photo::open(root.join(&photo.image), limits)?;
    let faces = recognizer.detect(&pixels)?;
    Ok(Looked::new(&photo.faces, faces.into_iter().map(|face| (face.bbox, face.score))))
}

fn groups(list: &[LabelledPhoto], looked: &[Looked], min_score: f32) -> Vec<GroupRecord> {
    let mut by_group: BTreeMap<&str, Vec<&Looked>> = BTreeMap::new();
    for (photo, looked) in list.iter().zip(looked) {
        if let Some(group) = photo.group.as_deref() {
            by_group.entry(group).or_default().push(looked);
        }
    }
    by_group
        .into_iter()
        .map(|(group, looked)| {
            let DetectionRates { precision, recall, false_faces } = detection_rates(looked.iter().copied(), min_score);
            GroupRecord {
                group: group.to_owned(),
                photos: looked.len(),
                faces: looked.iter().map(|photo| photo.faces.len()).sum(),
                precision,
                recall,
                false_faces,
            }
        })
        .collect()
}

/// A number a photo with its interval, which is no share.
fn count_with_interval(rate: Option<Rate>) -> String {
    rate.map_or("–".to_owned(), |Rate { mean, low, high }| format!("{mean:.3} ({low:.3} to {high:.3})"))
}

fn describe(record: &DetectionRecord) -> String {
    let mut rows = vec![
        vec!["pack".to_owned(), record.pack.clone()],
        vec!["photos with faces".to_owned(), format!("{}, {} faces", record.photos, record.faces)],
        vec!["photos without".to_owned(), record.photos_without_faces.to_string()],
        vec!["least score".to_owned(), record.min_score.to_string()],
        vec!["precision".to_owned(), with_interval(record.precision)],
        vec!["recall".to_owned(), with_interval(record.recall)],
        vec!["average precision".to_owned(), with_interval(record.average_precision)],
        vec!["false faces a photo without".to_owned(), count_with_interval(record.false_faces)],
    ];
    for group in &record.groups {
        rows.push(vec![format!("group {}", group.group), format!("{} photos, {} faces", group.photos, group.faces)]);
        rows.push(vec!["  precision".to_owned(), with_interval(group.precision)]);
        rows.push(vec!["  recall".to_owned(), with_interval(group.recall)]);
        rows.push(vec!["  false faces a photo without".to_owned(), count_with_interval(group.false_faces)]);
    }
    table::table(&rows)
}

fn report(
    record: &DetectionRecord,
    list: &[LabelledPhoto],
    looked: &[Looked],
    root: &Path,
    limits: &Limits,
) -> Result<Report, CliError> {
    let curve = recall_curve(looked, |_| 1.0);
    // The last point before the least score is that of the decision.
    let at = curve.iter().rfind(|point| point.score >= record.min_score);
    let series = |place: fn(&RecallPoint) -> (f64, f64)| {
        vec![Series { name: "all photos".to_owned(), points: curve.iter().map(place).collect() }]
    };
    let marks = |place: fn(&RecallPoint) -> (f64, f64)| {
        let mark = |(x, y)| Mark { x, y, label: format!("score {}", record.min_score) };
        at.map(place).map(mark).into_iter().collect()
    };
    let (roc, det) = (
        |point: &RecallPoint| (point.false_faces, point.recall),
        |point: &RecallPoint| (point.false_faces, 1.0 - point.recall),
    );
    let precision = |point: &RecallPoint| (point.recall, point.precision);
    let charts = vec![
        Chart::lines(Lines {
            title: "Precision by recall".to_owned(),
            x: Axis::share("recall"),
            y: Axis::share("precision"),
            series: series(precision),
            marks: marks(precision),
        }),
        Chart::lines(Lines {
            title: "ROC: recall by false faces".to_owned(),
            x: Axis::log("false faces a photo", 1e-3),
            y: Axis::share("recall"),
            series: series(roc),
            marks: marks(roc),
        }),
        Chart::lines(Lines {
            title: "DET: faces missed by false faces".to_owned(),
            x: Axis::log("false faces a photo", 1e-3),
            y: Axis::log("faces missed", 1e-3),
            series: series(det),
            marks: marks(det),
        }),
        score_histogram(looked, record.min_score),
    ];
    let rows = record.groups.iter().map(|group| {
        vec![
            group.group.clone(),
            group.photos.to_string(),
            group.faces.to_string(),
            with_interval(group.precision),
            with_interval(group.recall),
            count_with_interval(group.false_faces),
        ]
    });
    let headings = ["group", "photos", "faces", "precision", "recall", "false faces a photo without"];
    let table =
        Table { title: "By group".to_owned(), headings: headings.map(str::to_owned).to_vec(), rows: rows.collect() };
    Ok(Report {
        title: "Detection: which faces are found".to_owned(),
        subtitle: format!("pack {}, precision {}", record.pack, record.precision_of_numbers),
        facts: [
            ("Photos with faces", format!("{}, {} faces", record.photos, record.faces)),
            ("Photos without faces", record.photos_without_faces.to_string()),
            ("Least score", record.min_score.to_string()),
            ("Precision", with_interval(record.precision)),
            ("Recall", with_interval(record.recall)),
            ("Average precision", with_interval(record.average_precision)),
            ("False faces a photo without", count_with_interval(record.false_faces)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec(),
        tables: if table.rows.is_empty() { vec![] } else { vec![table] },
        charts,
        pictures: worst(list, looked, root, limits, record.min_score)?,
        notes: vec![
            format!(
                "A box is right when it and a labelled box have {LEAST_OVERLAP} of their union in common. Detectors draw \
                 boxes of different sizes around a face: where labels are tighter or wider than the detector's, faces \
                 that were found count as missed and as false at once."
            ),
            "Intervals hold the true value in 95 of 100 repeated measurements with other photos of the same kind; they \
             come from 1,000 draws of photos."
                .to_owned(),
        ],
    })
}

fn score_histogram(looked: &[Looked], min_score: f32) -> Chart {
    const BARS: usize = 50;
    let shares = |right: bool| {
        let scores: Vec<f32> =
            looked.iter().flat_map(|photo| &photo.found).filter(|f| f.right == right).map(|f| f.score).collect();
        let mut shares = vec![0.0; BARS];
        for score in &scores {
            shares[((score * BARS as f32) as usize).min(BARS - 1)] += 1.0 / scores.len() as f64;
        }
        shares
    };
    Chart::histogram(Histogram {
        title: "Scores".to_owned(),
        x: "score".to_owned(),
        from: 0.0,
        to: 1.0,
        kinds: vec![("faces".to_owned(), shares(true)), ("false faces".to_owned(), shares(false))],
        threshold: Some(f64::from(min_score)),
    })
}

/// The surest false faces and the largest missed ones.
fn worst(
    list: &[LabelledPhoto],
    looked: &[Looked],
    root: &Path,
    limits: &Limits,
    min_score: f32,
) -> Result<Vec<PictureRow>, CliError> {
    let mut wrong: Vec<(&Path, BoundingBox, f32)> = Vec::new();
    let mut missed: Vec<(&Path, BoundingBox, f32)> = Vec::new();
    for (photo, looked) in list.iter().zip(looked) {
        let image = photo.image.as_path();
        let found = looked.found.iter().filter(|found| !found.right && found.score >= min_score);
        wrong.extend(found.map(|found| (image, found.bbox, found.score)));
        let faces = looked.faces.iter().filter(|(_, by)| by.is_none_or(|score| score < min_score));
        missed.extend(faces.map(|&(face, _)| (image, face, face.area())));
    }
    let row = |title: &str,
               explanation: &str,
               worst: &mut Vec<(&Path, BoundingBox, f32)>,
               what: &str|
     -> Result<PictureRow, CliError> {
        worst.sort_by(|a, b| b.2.total_cmp(&a.2));
        let mut pictures = Vec::new();
        for &(image, bbox, score) in worst.iter().take(PICTURES) {
            let photo = Photo::open(root.join(image), limits)?;
            let Some(address) = cut_out(&photo, &bbox) else { continue };
            let address = address
                .map_err(|error| CliError::Failed(format!("{}: no picture could be made: {error}", image.display())))?;
            let place = format!("{:.0},{:.0} {:.0}×{:.0}", bbox.x, bbox.y, bbox.width, bbox.height);
            let of = if what == "false face" { format!("{score:.2}: ") } else { String::new() };
            let caption = format!("{of}{} at {place}", image.display());
            pictures.push(Picture { faces: vec![(address, what.to_owned())], caption });
        }
        Ok(PictureRow { title: title.to_owned(), explanation: explanation.to_owned(), pictures })
    };
    let explanation = "Boxes that are no labelled face, with half their size around.";
    Ok(vec![
        row("False faces, the surest first", explanation, &mut wrong, "false face")?,
        row("Missed faces, the largest first", "Labelled faces that were not found.", &mut missed, "missed face")?,
    ])
}

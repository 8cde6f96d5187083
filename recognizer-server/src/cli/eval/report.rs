//! The HTML report of a measurement.

use std::path::{Path, PathBuf};

use clap::Args;
use facerecog_engine::photo::Photo;

use super::super::error::CliError;
use super::embedding::EmbeddedPhotos;
use crate::eval::report::{Axis, Chart, Histogram, Lines, Mark, Picture, Report, Series, aligned};
use crate::eval::roc::{Roc, RocPoint};

/// Pictures of each kind in a report.
pub(super) const PICTURES: usize = 12;

/// Points of a curve; more cannot be told apart on a screen.
const CURVE_POINTS: usize = 300;

/// Bars of a histogram.
const BARS: usize = 60;

/// Where the report goes.
#[derive(Debug, Args)]
pub(super) struct ReportOptions {
    /// Also write a report with curves and pictures: one HTML file that needs nothing beside it. It holds faces: keep
    /// it as you keep the photos
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl ReportOptions {
    /// Writes the report, if one is wanted.
    pub(super) fn write(&self, report: impl FnOnce() -> Result<Report, CliError>) -> Result<(), CliError> {
        let Some(path) = &self.html else { return Ok(()) };
        report()?
            .write(path)
            .map_err(|error| CliError::Failed(format!("{}: could not be written: {error}", path.display())))
    }
}

/// Curves of false accepts against what is rightly accepted and what is missed.
pub(super) fn roc_charts(curves: &[(&str, &Roc)], names: &RocNames, at: Option<Mark>) -> Vec<Chart> {
    let least =
        curves.iter().flat_map(|(_, roc)| roc.points()).map(|point| point.false_accepts).filter(|far| *far > 0.0);
    let least = 10f64.powf(least.fold(0.1, f64::min).log10().floor().max(-7.0));
    let series = |place: fn(&RocPoint) -> (f64, f64)| {
        curves
            .iter()
            .map(|(name, roc)| Series {
                name: (*name).to_owned(),
                points: roc.thinned(CURVE_POINTS).iter().map(place).collect(),
            })
            .collect()
    };
    let marked =
        |y: fn(f64) -> f64| at.iter().map(|at| Mark { x: at.x, y: y(at.y), label: at.label.clone() }).collect();
    let roc = Lines {
        title: format!("ROC: {} by {}", names.accepts, names.false_accepts),
        x: Axis::log(names.false_accepts, least),
        y: Axis::share(names.accepts),
        series: series(|point| (point.false_accepts, point.true_accepts)),
        marks: marked(|accepts| accepts),
    };
    let det = Lines {
        title: format!("DET: {} by {}", names.misses, names.false_accepts),
        x: Axis::log(names.false_accepts, least),
        y: Axis::log(names.misses, 1e-3),
        series: series(|point| (point.false_accepts, 1.0 - point.true_accepts)),
        marks: marked(|accepts| 1.0 - accepts),
    };
    vec![Chart::lines(roc), Chart::lines(det)]
}

/// What the axes of ROC and DET are called.
#[derive(Debug)]
pub(super) struct RocNames {
    pub(super) accepts: &'static str,
    pub(super) misses: &'static str,
    pub(super) false_accepts: &'static str,
}

/// Shares of numbers in equal steps from 0 to the largest.
pub(super) fn distance_histogram(title: &str, kinds: [(&str, Vec<f64>); 2], threshold: Option<f64>) -> Chart {
    let to = kinds.iter().flat_map(|(_, distances)| distances).copied().filter(|d| d.is_finite()).fold(0.1, f64::max);
    let to = (to * 10.0).ceil() / 10.0;
    let kinds = kinds.into_iter().map(|(name, distances)| {
        let mut shares = vec![0.0; BARS];
        let all = distances.len().max(1) as f64;
        for distance in distances.into_iter().filter(|distance| distance.is_finite()) {
            shares[((distance / to * BARS as f64) as usize).min(BARS - 1)] += 1.0 / all;
        }
        (name.to_owned(), shares)
    });
    let kinds = kinds.collect();
    Chart::histogram(Histogram { title: title.to_owned(), x: "distance".to_owned(), from: 0.0, to, kinds, threshold })
}

/// Aligned crops of photos that were embedded, as the network saw them; those without a face have no picture.
pub(super) fn picture(
    photos: &EmbeddedPhotos,
    root: &Path,
    shown: &[(&Path, &str)],
    caption: String,
) -> Result<Picture, CliError> {
    let mut faces = Vec::new();
    for &(path, what) in shown {
        let Some(face) = &photos.get(path).face else { continue };
        let photo = Photo::open(root.join(path), &photos.limits)?;
        let address = aligned(&photo, face, &photos.recognizer)
            .map_err(|error| CliError::Failed(format!("{}: no picture could be made: {error}", path.display())))?;
        faces.push((address, what.to_owned()));
    }
    Ok(Picture { faces, caption })
}

/// What holds for every report.
pub(super) fn common_notes() -> Vec<String> {
    vec![
        "Intervals hold the true value in 95 of 100 repeated measurements with other people of the same kind. They come \
         from 1,000 draws of whole people with all their photos, and tell nothing of people of another kind, of other \
         cameras or of other light."
            .to_owned(),
        "The pictures are the crops that the network saw. Look at them for wrong labels, covered and turned faces before \
         you look for a better threshold."
            .to_owned(),
    ]
}

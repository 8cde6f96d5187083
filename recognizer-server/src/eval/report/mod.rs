//! A measurement as one HTML file that needs nothing beside it: tables, curves, and the pictures that went most wrong.
//!
//! Everything is written by templates that escape what they are given; the only text that is not a template's is that
//! of charts, which are templates themselves.

mod chart;
mod chip;

use std::io;
use std::path::Path;

use askama::Template;

pub(crate) use chart::{Axis, Chart, Histogram, Lines, Mark, Series};
pub(crate) use chip::{aligned, cut_out};

use super::bootstrap::Rate;

/// What a report says.
#[derive(Debug, Template)]
#[template(path = "report.html")]
pub(crate) struct Report {
    /// What was measured.
    pub(crate) title: String,
    /// With what and on what, in a line.
    pub(crate) subtitle: String,
    /// Names and values of what was counted and measured.
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) tables: Vec<Table>,
    pub(crate) charts: Vec<Chart>,
    pub(crate) pictures: Vec<PictureRow>,
    /// What has to be known to read it.
    pub(crate) notes: Vec<String>,
}

/// Rows below headings; the first cell of a row is its name.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) headings: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Pictures of one kind, the worst first.
#[derive(Debug)]
pub(crate) struct PictureRow {
    pub(crate) title: String,
    /// What is to be seen.
    pub(crate) explanation: String,
    pub(crate) pictures: Vec<Picture>,
}

/// One or two faces and what is said of them.
#[derive(Debug)]
pub(crate) struct Picture {
    /// `data:` addresses of JPEGs, and what each shows.
    pub(crate) faces: Vec<(String, String)>,
    pub(crate) caption: String,
}

impl Report {
    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let html = self.render().map_err(io::Error::other)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
        std::fs::write(file.path(), html)?;
        file.persist(path)?;
        Ok(())
    }
}

/// As any file that a program writes for its user: the umask takes from it what is not wanted.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// `97.80 % (97.10 to 98.40)`, or a dash for what was not measured.
pub(crate) fn with_interval(rate: Option<Rate>) -> String {
    let Some(Rate { mean, low, high }) = rate else { return "–".to_owned() };
    format!("{} ({} to {})", share(mean), share(low), share(high))
}

/// A share as a percentage with as many digits as it needs.
pub(crate) fn share(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        p if p < 0.001 => format!("{p:.1e} %"),
        p if p < 0.1 => format!("{p:.4} %"),
        p => format!("{p:.2} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_it_is_given_is_text() {
        let hostile = || "<script>alert(1)</script>\"'&".to_owned();
        let report = Report {
            title: hostile(),
            subtitle: hostile(),
            facts: vec![(hostile(), hostile())],
            tables: vec![Table { title: hostile(), headings: vec![hostile()], rows: vec![vec![hostile(), hostile()]] }],
            charts: vec![
                Chart::lines(Lines {
                    title: hostile(),
                    x: Axis::log("x", 1e-3),
                    y: Axis::share("y"),
                    series: vec![Series { name: hostile(), points: vec![(0.1, 0.5), (0.5, 0.7)] }],
                    marks: vec![Mark { x: 0.1, y: 0.5, label: hostile() }],
                }),
                Chart::histogram(Histogram {
                    title: hostile(),
                    x: "x".into(),
                    from: 0.0,
                    to: 1.0,
                    kinds: vec![(hostile(), vec![0.1, 0.9])],
                    threshold: Some(0.5),
                }),
            ],
            pictures: vec![PictureRow {
                title: hostile(),
                explanation: hostile(),
                pictures: vec![Picture { faces: vec![("data:,".into(), hostile())], caption: hostile() }],
            }],
            notes: vec![hostile()],
        };
        let html = report.render().unwrap();
        assert!(!html.contains("<script") && !html.contains("\"'&<"), "{html}");
        assert!(html.matches("&#60;script&#62;").count() >= 14, "{}", html.matches("&#60;script&#62;").count());
        assert!(html.contains("default-src 'none'"));
    }

    #[test]
    fn shares_have_the_digits_they_need() {
        let shares = [0.0, 1.0, 0.97834, 0.0001, 0.00000123].map(share);
        assert_eq!(shares, ["0 %", "100.00 %", "97.83 %", "0.0100 %", "1.2e-4 %"]);
    }
}

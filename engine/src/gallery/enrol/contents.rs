//! What the generation will hold, and what the report says of each photo.

use super::known_folder::{image_name_of, person_of};
use super::outcome::Outcome;
use super::outliers::{UNLIKE, Unlike};
use super::previous::Known;
use super::{EnrolWarning, EnrolledFace, EnrolmentReport, SkippedPhoto};
use crate::gallery::{Row, SkippedRow, SourceFile};

/// Why a photo that stands alone is left out.
const UNLIKE_THE_OTHERS: &str = "its face is unlike the faces on all the person's other photos";

/// What the generation will hold.
#[derive(Default)]
pub(super) struct Contents<'a> {
    pub(super) rows: Vec<Row<'a>>,
    pub(super) skipped: Vec<SkippedRow<'a>>,
    /// Photos that a dry run would embed.
    pub(super) planned: Vec<&'a str>,
    /// Whether it differs from the generation before, removed photos aside.
    pub(super) changed: bool,
}

impl<'a> Contents<'a> {
    /// Adds a photo; `unlike` says that it stands alone among those of the person.
    pub(super) fn add(
        &mut self,
        source: &'a str,
        outcome: &'a Outcome<'a>,
        unlike: Option<Unlike>,
        report: &mut EnrolmentReport,
    ) {
        if unlike == Some(Unlike::Warn) {
            report.warnings.push(EnrolWarning {
                photo: source.to_owned(),
                code: UNLIKE.into(),
                message: format!("{UNLIKE_THE_OTHERS}; it is taken for {}", person_of(source)),
            });
        }
        match outcome {
            Outcome::Known { known, file, changed } => {
                self.changed |= changed;
                self.keep(source, *known, *file, unlike, report);
            }
            Outcome::NotReadable { known, error } => {
                let (code, message) = (error.code().to_owned(), format!("{error}; what was known of it is kept"));
                report.warnings.push(EnrolWarning { photo: source.to_owned(), code, message });
                self.keep(source, *known, *known.file(), unlike, report);
            }
            Outcome::Answered { answer, file, resumed, was_unlike } => {
                *(if *resumed { &mut report.resumed } else { &mut report.embedded }) += 1;
                match answer {
                    Ok(_) if unlike == Some(Unlike::Reject) => {
                        self.changed |= !was_unlike;
                        self.reject(source, *file, report);
                    }
                    Ok(face) => {
                        self.changed = true;
                        report.added += 1;
                        self.push_row(row(source, face, *file), report);
                    }
                    Err(refusal) => {
                        self.changed = true;
                        let message = shortened(&refusal.message);
                        self.push_skipped(SkippedRow { source, file: *file, code: &refusal.code, message }, report);
                    }
                }
            }
            Outcome::Skipped(error) => {
                let (code, message) = (error.code().to_owned(), error.to_string());
                report.skipped.push(SkippedPhoto { photo: source.to_owned(), code, message });
            }
            Outcome::Planned => {
                report.added += 1;
                self.planned.push(source);
            }
        }
    }

    fn keep(
        &mut self,
        source: &'a str,
        known: Known<'a>,
        file: SourceFile,
        unlike: Option<Unlike>,
        report: &mut EnrolmentReport,
    ) {
        match known {
            Known::Enrolled(_) if unlike == Some(Unlike::Reject) => {
                self.changed = true;
                self.reject(source, file, report);
            }
            Known::Enrolled(row) => {
                if row.source == source {
                    report.unchanged += 1;
                } else {
                    report.added += 1;
                }
                let (image_name, person) = (image_name_of(source), person_of(source));
                self.push_row(Row { image_name, person, source, file, ..row }, report);
            }
            Known::Skipped(skipped) => self.push_skipped(SkippedRow { source, file, ..skipped }, report),
        }
    }

    fn reject(&mut self, source: &'a str, file: SourceFile, report: &mut EnrolmentReport) {
        self.push_skipped(SkippedRow { source, file, code: UNLIKE, message: UNLIKE_THE_OTHERS }, report);
    }

    fn push_row(&mut self, row: Row<'a>, report: &mut EnrolmentReport) {
        if row.faces_seen > 1 {
            report.warnings.push(EnrolWarning {
                photo: row.source.to_owned(),
                code: "several_faces".into(),
                message: format!("{} faces; the largest is taken for {}", row.faces_seen, row.person),
            });
        }
        self.rows.push(row);
    }

    fn push_skipped(&mut self, skipped: SkippedRow<'a>, report: &mut EnrolmentReport) {
        report.skipped.push(SkippedPhoto {
            photo: skipped.source.to_owned(),
            code: skipped.code.to_owned(),
            message: skipped.message.to_owned(),
        });
        self.skipped.push(skipped);
    }
}

fn row<'a>(source: &'a str, face: &'a EnrolledFace, file: SourceFile) -> Row<'a> {
    Row {
        image_name: image_name_of(source),
        person: person_of(source),
        source,
        file,
        bbox: face.bbox,
        score: face.score,
        quality: face.quality,
        faces_seen: face.faces_seen,
        embedding: face.embedding.values(),
    }
}

/// As much of a message as is worth keeping for every photo.
fn shortened(message: &str) -> &str {
    const LONGEST: usize = 500;
    &message[..message.floor_char_boundary(LONGEST)]
}

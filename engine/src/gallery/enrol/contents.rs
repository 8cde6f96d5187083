//! What the generation will hold, and what the report says of each photo.

use super::known_folder::{image_name_of, person_of};
use super::outcome::Outcome;
use super::outliers::{UNLIKE, Unlike};
use super::previous::Known;
use super::quality::{self, LOW_QUALITY};
use super::{EnrolWarning, EnrolledFace, EnrolmentReport, QualityCheck, SkippedPhoto};
use crate::gallery::{Row, SkippedRow, SourceFile};
use crate::quality::Fault;

/// Why a photo that stands alone is left out.
const UNLIKE_THE_OTHERS: &str = "its face is unlike the faces on all the person's other photos";

/// Why the index says that a photo of little quality is left out; the report says more.
const HARD_TO_RECOGNISE: &str = "its face is hard to recognise";

/// What the generation will hold.
pub(super) struct Contents<'a> {
    quality: QualityCheck,
    pub(super) rows: Vec<Row<'a>>,
    pub(super) skipped: Vec<SkippedRow<'a>>,
    /// Photos that a dry run would embed.
    pub(super) planned: Vec<&'a str>,
    /// Whether it differs from the generation before, removed photos aside.
    pub(super) changed: bool,
}

impl<'a> Contents<'a> {
    pub(super) fn new(quality: QualityCheck) -> Self {
        Self { quality, rows: Vec::new(), skipped: Vec::new(), planned: Vec::new(), changed: false }
    }

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
            Outcome::Answered { answer, file, resumed, left_out } => {
                *(if *resumed { &mut report.resumed } else { &mut report.embedded }) += 1;
                match answer {
                    Ok(face) if self.quality.rejects(face.quality) => {
                        self.changed |= *left_out != Some(LOW_QUALITY);
                        self.reject_quality(source, *file, (face.quality, face.fault), report);
                    }
                    Ok(_) if unlike == Some(Unlike::Reject) => {
                        self.changed |= *left_out != Some(UNLIKE);
                        self.reject(source, *file, report);
                    }
                    Ok(face) => {
                        self.changed = true;
                        report.added += 1;
                        self.push_row(row(source, face, *file), face.fault, report);
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
            Known::Enrolled(row) if self.quality.rejects(row.quality) => {
                self.changed = true;
                self.reject_quality(source, file, (row.quality, None), report);
            }
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
                self.push_row(Row { image_name, person, source, file, ..row }, None, report);
            }
            Known::Skipped(skipped) => self.push_skipped(SkippedRow { source, file, ..skipped }, report),
        }
    }

    fn reject(&mut self, source: &'a str, file: SourceFile, report: &mut EnrolmentReport) {
        self.push_skipped(SkippedRow { source, file, code: UNLIKE, message: UNLIKE_THE_OTHERS }, report);
    }

    fn reject_quality(
        &mut self,
        source: &'a str,
        file: SourceFile,
        (quality, fault): (f32, Option<Fault>),
        report: &mut EnrolmentReport,
    ) {
        let message = format!("{}, must be {} at least", quality::describe(quality, fault), self.quality.least);
        report.skipped.push(SkippedPhoto { photo: source.to_owned(), code: LOW_QUALITY.into(), message });
        self.skipped.push(SkippedRow { source, file, code: LOW_QUALITY, message: HARD_TO_RECOGNISE });
    }

    /// `fault` is what lowers the quality, if that is known.
    fn push_row(&mut self, row: Row<'a>, fault: Option<Fault>, report: &mut EnrolmentReport) {
        if self.quality.warns(row.quality) {
            report.warnings.push(EnrolWarning {
                photo: row.source.to_owned(),
                code: LOW_QUALITY.into(),
                message: quality::describe(row.quality, fault),
            });
        }
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

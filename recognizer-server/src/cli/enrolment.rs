//! Enrolling the folder of known people with a progress bar, and saying how it went.

use std::path::Path;

use facerecog_engine::gallery::{self, EnrolOptions, EnrolmentReport};
use facerecog_engine::recognizer::Recognizer;
use indicatif::ProgressDrawTarget;

use super::error::CliError;
use super::output::Output;
use super::progress;

/// Brings the index in `index_dir` up to date with the photos in `known`. The progress is drawn on a
/// terminal, for people.
pub(crate) fn enrol(
    recognizer: &Recognizer,
    known: &Path,
    index_dir: &Path,
    options: &EnrolOptions,
    output: Output,
) -> Result<EnrolmentReport, CliError> {
    if !known.is_dir() {
        return Err(CliError::Usage(format!("{}: no such folder of known people", known.display())));
    }
    let bar = progress::counting(0, "enrolling");
    if output.is_json() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let identity = recognizer.pack().embedder_identity();
    let report = gallery::enrol(known, index_dir, &identity, recognizer, options, &|progress| {
        bar.set_length(progress.total as u64);
        // Not set to what is done: calls overtake each other, and a bar that goes back forgets its rate.
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok(report?)
}

/// What people are told of an enrolment: one line, then the photos that need a look.
pub(crate) fn describe(report: &EnrolmentReport) -> String {
    let mut text = format!(
        "{}: generation {}, {} people on {} photos ({} added, {} unchanged, {} removed, {} skipped) in {:.1} s",
        report.index,
        report.generation,
        report.people,
        report.photos,
        report.added,
        report.unchanged,
        report.removed,
        report.skipped.len(),
        report.seconds
    );
    if report.resumed > 0 {
        text.push_str(&format!("\n  {} photos had been embedded before it was broken off", report.resumed));
    }
    if let Some(reason) = &report.rebuilt {
        text.push_str(&format!("\n  every photo was read again: {reason}"));
    }
    for skipped in &report.skipped {
        text.push_str(&format!("\n  skipped {}: {}", skipped.photo, skipped.message));
    }
    for warning in &report.warnings {
        text.push_str(&format!("\n  warning {}: {}", warning.photo, warning.message));
    }
    text
}

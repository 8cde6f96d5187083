//! `recognizer call reindex`.

use clap::Args;
use serde::Serialize;

use super::{CliError, Client, Outcome, Output};
use crate::cli::progress;
use crate::grpc::proto;
use crate::grpc::proto::reindex_response::Event;

/// Bring the gallery of the server up to date with its known folder
#[derive(Debug, Args)]
pub(super) struct Reindex {
    /// Read every photo again, changed or not
    #[arg(long)]
    full: bool,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct ReindexRecord {
    generation: u64,
    photos: u64,
    embeddings: u64,
    people: u64,
    added: u64,
    unchanged: u64,
    removed: u64,
    embedded: u64,
    skipped: Vec<NoteRecord>,
    warnings: Vec<NoteRecord>,
}

#[derive(Serialize)]
struct NoteRecord {
    photo: String,
    code: String,
    message: String,
}

impl From<proto::PhotoNote> for NoteRecord {
    fn from(note: proto::PhotoNote) -> Self {
        Self { photo: note.photo, code: note.code, message: note.message }
    }
}

impl From<proto::ReindexReport> for ReindexRecord {
    fn from(report: proto::ReindexReport) -> Self {
        Self {
            generation: report.generation,
            photos: report.photos,
            embeddings: report.embeddings,
            people: report.people,
            added: report.added,
            unchanged: report.unchanged,
            removed: report.removed,
            embedded: report.embedded,
            skipped: report.skipped.into_iter().map(NoteRecord::from).collect(),
            warnings: report.warnings.into_iter().map(NoteRecord::from).collect(),
        }
    }
}

impl Reindex {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<Outcome, CliError> {
        let request = proto::ReindexRequest { full: self.full, dry_run: self.dry_run };
        let mut events = client.patient_recognizer().reindex(request).await?.into_inner();
        let bar = progress::counting(0, "enrolling");
        let mut report = None;
        while let Some(event) = events.message().await? {
            match event.event {
                Some(Event::Progress(progress)) => {
                    bar.set_length(progress.total);
                    bar.set_position(progress.done);
                }
                Some(Event::Report(done)) => report = Some(ReindexRecord::from(done)),
                None => {}
            }
        }
        bar.finish_and_clear();
        let record = report.ok_or_else(|| CliError::Failed("the server ended without a report".into()))?;
        output.answer(&record, || describe(&record))?;
        Ok(Outcome::Complete)
    }
}

fn describe(record: &ReindexRecord) -> String {
    let mut text = format!(
        "generation {}, {} people on {} photos ({} added, {} unchanged, {} removed, {} skipped)",
        record.generation,
        record.people,
        record.photos,
        record.added,
        record.unchanged,
        record.removed,
        record.skipped.len()
    );
    for (what, notes) in [("skipped", &record.skipped), ("warning", &record.warnings)] {
        for note in notes {
            text.push_str(&format!("\n  {what} {}: {}", note.photo, note.message));
        }
    }
    text
}

//! `Reindex`: the gallery is brought up to date with the known folder.

use std::time::Duration;

use facerecog_engine::gallery::EnrolmentReport;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::proto::reindex_response::Event;
use super::proto::{PhotoNote, ReindexProgress, ReindexReport, ReindexRequest, ReindexResponse};
use super::{Answers, RecognizerService};
use crate::grpc::reindexer::{Progress, Reindex, Reindexing};

/// The progress is told this often, when there is any.
const TOLD_EVERY: Duration = Duration::from_millis(250);

impl RecognizerService {
    pub(super) async fn reindex_known_folder(
        &self,
        request: Request<ReindexRequest>,
    ) -> Result<Response<Answers<ReindexResponse>>, Status> {
        let ReindexRequest { full, dry_run } = request.into_inner();
        let reindexing = self.changes.reindexer.reindex(Reindex { full, dry_run });
        // A client that does not read is waited for; the enrolment is not.
        let (answers, stream) = mpsc::channel(1);
        tokio::spawn(follow(reindexing, answers));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Tells how far it is, and at last what came of it. Ends when nobody listens.
async fn follow(mut reindexing: Reindexing, answers: mpsc::Sender<Result<ReindexResponse, Status>>) {
    let mut progress = reindexing.progress.clone();
    let finish = reindexing.finish();
    tokio::pin!(finish);
    loop {
        let event = tokio::select! {
            reindexed = &mut finish => {
                let report = reindexed.map(|report| answer(Event::Report(describe(&report)))).map_err(Status::from);
                // An error says that nobody listens any more.
                let _ = answers.send(report).await;
                return;
            }
            () = answers.closed() => return,
            Ok(()) = progress.changed() => {
                let Progress { done, total } = *progress.borrow_and_update();
                Event::Progress(ReindexProgress { done: done as u64, total: total as u64 })
            }
        };
        if answers.send(Ok(answer(event))).await.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(TOLD_EVERY) => {}
            () = answers.closed() => return,
        }
    }
}

fn answer(event: Event) -> ReindexResponse {
    ReindexResponse { event: Some(event) }
}

fn describe(report: &EnrolmentReport) -> ReindexReport {
    let note = |photo: &str, code: &str, message: &str| PhotoNote {
        photo: photo.to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
    };
    ReindexReport {
        generation: report.generation,
        photos: report.photos as u64,
        embeddings: report.embeddings as u64,
        people: report.people as u64,
        added: report.added as u64,
        unchanged: report.unchanged as u64,
        removed: report.removed as u64,
        embedded: report.embedded as u64,
        resumed: report.resumed as u64,
        skipped: report.skipped.iter().map(|left| note(&left.photo, &left.code, &left.message)).collect(),
        warnings: report.warnings.iter().map(|seen| note(&seen.photo, &seen.code, &seen.message)).collect(),
    }
}

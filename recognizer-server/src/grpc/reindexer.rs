//! Asking the thread that enrols to do so now, and hearing how it went.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use facerecog_engine::gallery::{EnrolError, EnrolmentReport, GalleryError};
use tokio::sync::{oneshot, watch};
use tonic::{Code, Status};

use super::status::refusal;

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reindex {
    /// Embed every photo again, also those that did not change.
    pub(super) full: bool,
    /// Say what would be done, and change nothing.
    pub(super) dry_run: bool,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Photos done.
    pub(super) done: usize,
    /// Photos there are.
    pub(super) total: usize,
}

/// Why the gallery was not brought up to date.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum ReindexError {
    /// The server goes away.
    #[error("the server is stopping")]
    Stopping,
    /// Nothing was enrolled.
    #[error(transparent)]
    Enrol(Arc<EnrolError>),
    /// The generation was written, and could not be opened.
    #[error(transparent)]
    Open(Arc<GalleryError>),
    /// The thread that enrols panicked.
    #[error("the enrolment failed: internal error")]
    Panicked,
}

impl From<ReindexError> for Status {
    fn from(error: ReindexError) -> Self {
        let (code, reason) = match &error {
            ReindexError::Stopping => (Code::Unavailable, "stopping"),
            ReindexError::Enrol(error) => match error.as_ref() {
                EnrolError::KnownFolder { .. } => (Code::FailedPrecondition, "no_known_folder"),
                EnrolError::KnownFolderReplaced { .. } => (Code::Unavailable, "known_folder_replaced"),
                EnrolError::TooManyPhotos { .. } => (Code::FailedPrecondition, "too_many_photos"),
                EnrolError::Gallery(GalleryError::Locked { .. }) => (Code::Unavailable, "index_locked"),
                _ => (Code::Internal, "index_not_written"),
            },
            ReindexError::Open(_) => (Code::Internal, "index_not_opened"),
            ReindexError::Panicked => (Code::Internal, "internal"),
        };
        refusal(code, reason, &error.to_string())
    }
}

/// What came of it.
pub(super) type Reindexed = Result<Arc<EnrolmentReport>, ReindexError>;

/// Asks the thread that enrols, of which there is one. Requests that come while it enrols share the next
/// enrolment. When a request is answered, the gallery in use holds what the report says.
#[derive(Debug, Clone, Default)]
pub(super) struct Reindexer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Inbox {
    waiting: Vec<Request>,
    look_now: bool,
    stopped: bool,
}

/// One caller's request, as the thread that enrols sees it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) reindex: Reindex,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) answer: oneshot::Sender<Reindexed>,
}

/// A request that was made.
#[derive(Debug)]
pub(super) struct Reindexing {
    /// How far it is; all zero until it begins.
    pub(super) progress: watch::Receiver<Progress>,
    answer: oneshot::Receiver<Reindexed>,
}

impl Reindexing {
    /// What came of it. Whoever stops waiting stops nothing.
    pub(super) async fn finish(&mut self) -> Reindexed {
        (&mut self.answer).await.unwrap_or(Err(ReindexError::Panicked))
    }
}

impl Reindexer {
    /// Asks for an enrolment that begins after this call.
    pub(super) fn reindex(&self, reindex: Reindex) -> Reindexing {
        let (progress, progress_seen) = watch::channel(Progress::default());
        let (answer, answered) = oneshot::channel();
        let mut inbox = self.inbox();
        if inbox.stopped {
            // The caller holds the other end.
            let _ = answer.send(Err(ReindexError::Stopping));
        } else {
            inbox.waiting.push(Request { reindex, progress, answer });
            self.0.arrived.notify_one();
        }
        Reindexing { progress: progress_seen, answer: answered }
    }

    /// Has the folder and the index looked at without waiting for the next time.
    #[expect(dead_code, reason = "for the signal that reloads")]
    pub(super) fn look_now(&self) {
        self.inbox().look_now = true;
        self.0.arrived.notify_one();
    }

    /// Begins nothing new, and refuses who waits. An enrolment under way goes on.
    pub(super) fn stop(&self) {
        let mut inbox = self.inbox();
        inbox.stopped = true;
        for request in inbox.waiting.drain(..) {
            let _ = request.answer.send(Err(ReindexError::Stopping));
        }
        self.0.arrived.notify_one();
    }

    /// For the thread that enrols: waits until there are requests, at most until `until`, and takes them.
    /// `None` when it is to end.
    pub(super) fn wait(&self, until: Instant) -> Option<Vec<Request>> {
        let mut inbox = self.inbox();
        loop {
            if inbox.stopped {
                return None;
            }
            let left = until.saturating_duration_since(Instant::now());
            if std::mem::take(&mut inbox.look_now) || !inbox.waiting.is_empty() || left == Duration::ZERO {
                return Some(std::mem::take(&mut inbox.waiting));
            }
            inbox = self.0.arrived.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Nothing panics while it holds the lock.
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::now()
    }

    #[tokio::test]
    async fn who_asks_while_it_works_shares_the_next_turn() {
        let reindexer = Reindexer::default();
        let _first = reindexer.reindex(Reindex::default());
        let taken = reindexer.wait(now()).unwrap();
        assert_eq!(taken.len(), 1);
        let _second = reindexer.reindex(Reindex { full: true, dry_run: false });
        let _third = reindexer.reindex(Reindex::default());
        assert_eq!(reindexer.wait(now()).unwrap().len(), 2);
        assert!(reindexer.wait(now()).unwrap().is_empty());
    }

    #[tokio::test]
    async fn after_the_stop_nothing_begins() {
        let reindexer = Reindexer::default();
        let mut waiting = reindexer.reindex(Reindex::default());
        reindexer.stop();
        assert!(matches!(waiting.finish().await, Err(ReindexError::Stopping)));
        assert!(matches!(reindexer.reindex(Reindex::default()).finish().await, Err(ReindexError::Stopping)));
        assert!(reindexer.wait(now()).is_none());
    }

    #[tokio::test]
    async fn a_thread_that_panics_leaves_nobody_waiting() {
        let reindexer = Reindexer::default();
        let mut waiting = reindexer.reindex(Reindex::default());
        drop(reindexer.wait(now()));
        assert!(matches!(waiting.finish().await, Err(ReindexError::Panicked)));
    }
}

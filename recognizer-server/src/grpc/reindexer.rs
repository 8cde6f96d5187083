//! Asking the thread that enrols to do so now, and hearing how it went.

use std::io::ErrorKind;
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
                EnrolError::Gallery(GalleryError::Io { source, .. })
                    if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
                {
                    (Code::FailedPrecondition, "index_not_writable")
                }
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

/// What there is to do for the thread that enrols.
#[derive(Debug)]
pub(super) struct Turn {
    /// Whether folder and index are to be looked at.
    pub(super) look: bool,
    /// Who waits to be answered.
    pub(super) requests: Vec<Request>,
}

/// One caller's request, as the thread that enrols sees it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) reindex: Reindex,
    /// Whether the folder was changed by the call that asks.
    of_change: bool,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) answer: oneshot::Sender<Reindexed>,
}

impl Request {
    fn refuse(self) {
        // An error says that the caller has left.
        let _ = self.answer.send(Err(ReindexError::Stopping));
    }
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
        self.ask(reindex, false)
    }

    /// Has the gallery hold what a call has just done to the folder.
    pub(super) async fn take_up_change(&self) -> Reindexed {
        self.ask(Reindex::default(), true).finish().await
    }

    fn ask(&self, reindex: Reindex, of_change: bool) -> Reindexing {
        let (progress, progress_seen) = watch::channel(Progress::default());
        let (answer, answered) = oneshot::channel();
        let request = Request { reindex, of_change, progress, answer };
        let mut inbox = self.inbox();
        if inbox.stopped && !of_change {
            request.refuse();
        } else {
            inbox.waiting.push(request);
            self.0.arrived.notify_one();
        }
        Reindexing { progress: progress_seen, answer: answered }
    }

    /// Has the folder and the index looked at without waiting for the next time.
    pub(super) fn look_now(&self) {
        self.inbox().look_now = true;
        self.0.arrived.notify_one();
    }

    /// Begins nothing new: what is under way is finished, and so are the calls that have changed the folder.
    pub(super) fn stop(&self) {
        let mut inbox = self.inbox();
        inbox.stopped = true;
        let (of_changes, others) = inbox.waiting.drain(..).partition(|request| request.of_change);
        inbox.waiting = of_changes;
        others.into_iter().for_each(Request::refuse);
    }

    /// For the thread that enrols: waits until there is something to do, a look at `next_look` at the latest.
    pub(super) fn wait(&self, next_look: Instant) -> Turn {
        let mut inbox = self.inbox();
        loop {
            let left = next_look.saturating_duration_since(Instant::now());
            let look = !inbox.stopped && (std::mem::take(&mut inbox.look_now) || left == Duration::ZERO);
            if look || !inbox.waiting.is_empty() {
                return Turn { look, requests: std::mem::take(&mut inbox.waiting) };
            }
            let arrived = &self.0.arrived;
            inbox = match inbox.stopped {
                true => arrived.wait(inbox).unwrap_or_else(PoisonError::into_inner),
                false => arrived.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0,
            };
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

    /// How many wait, and whether to look, when the next look is due.
    fn turn(reindexer: &Reindexer) -> (usize, bool) {
        let turn = reindexer.wait(Instant::now());
        (turn.requests.len(), turn.look)
    }

    #[tokio::test]
    async fn who_asks_while_it_works_shares_the_next_turn() {
        let reindexer = Reindexer::default();
        let _first = reindexer.reindex(Reindex::default());
        assert_eq!(turn(&reindexer), (1, true));
        let _second = reindexer.reindex(Reindex { full: true, dry_run: false });
        let _third = reindexer.reindex(Reindex::default());
        assert_eq!(turn(&reindexer), (2, true));
        assert_eq!(turn(&reindexer), (0, true));
        let later = Instant::now() + Duration::from_secs(3600);
        let _fourth = reindexer.reindex(Reindex::default());
        assert!(!reindexer.wait(later).look);
    }

    #[tokio::test]
    async fn after_the_stop_only_changes_that_were_made_are_taken_up() {
        let reindexer = Reindexer::default();
        let mut waiting = reindexer.reindex(Reindex::default());
        reindexer.stop();
        assert!(matches!(waiting.finish().await, Err(ReindexError::Stopping)));
        assert!(matches!(reindexer.reindex(Reindex::default()).finish().await, Err(ReindexError::Stopping)));
        let changed = tokio::spawn({
            let reindexer = reindexer.clone();
            async move { reindexer.take_up_change().await }
        });
        let taken = tokio::task::spawn_blocking(move || turn(&reindexer)).await.unwrap();
        assert_eq!(taken, (1, false));
        assert!(matches!(changed.await.unwrap(), Err(ReindexError::Panicked)));
    }

    #[tokio::test]
    async fn a_thread_that_panics_leaves_nobody_waiting() {
        let reindexer = Reindexer::default();
        let mut waiting = reindexer.reindex(Reindex::default());
        drop(reindexer.wait(Instant::now()));
        assert!(matches!(waiting.finish().await, Err(ReindexError::Panicked)));
    }
}

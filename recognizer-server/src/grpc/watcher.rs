//! Keeps the gallery up to date with the folder of known people and with the index.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use facerecog_engine::gallery::{
    self, EnrolLimits, EnrolOptions, EnrolProgress, EnrolmentReport, Gallery, GalleryError, KnownFolderFingerprint,
    OutlierCheck, Verify,
};
use facerecog_engine::recognizer::Recognizer;

use super::known_folder::ChangeDetector;
use super::known_photos::KnownPhotos;
use super::live_gallery::{GalleryState, LiveGallery};
use super::reindexer::{Progress, ReindexError, Reindexed, Reindexer, Request, Turn};
use crate::telemetry::{Metrics, PHOTO_NAMES, ReindexOutcome};

/// How often the folder is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// A folder that takes long to list is looked at less often: for one part of the time in this many.
const PAUSE_PER_LOOK: u32 = 20;

/// A network folder that takes this long to list costs waiting, not work.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After an enrolment that failed as a whole (another process writes the index, the disk is full).
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How much less than other threads those that enrol are given of the CPU, as `nice` counts: a tenth of their share.
const NICE: i32 = 10;

/// What is watched, and how it is read.
#[derive(Debug)]
pub(super) struct Watched {
    /// Folder of known people.
    pub(super) known: PathBuf,
    /// Folder of the index.
    pub(super) index_dir: PathBuf,
    /// How much is read of the folder of known people.
    pub(super) limits: EnrolLimits,
    /// Whether known photos unlike the person's others are left out.
    pub(super) reject_outliers: bool,
    /// What is checked of a generation when it is opened.
    pub(super) verify: Verify,
}

/// Looks at the folder of known people and at the index, enrols on request, and publishes what there is.
#[derive(Debug)]
pub(super) struct Watcher {
    recognizer: Arc<Recognizer>,
    known: PathBuf,
    index_dir: PathBuf,
    limits: EnrolLimits,
    reject_outliers: bool,
    verify: Verify,
    live: LiveGallery,
    reindexer: Reindexer,
    metrics: Metrics,
    changes: ChangeDetector,
    known_missing: bool,
    /// Why the folder could not be enrolled the last time.
    enrol_error: Option<String>,
    /// Generation that requests are answered from.
    opened: Option<u64>,
    /// The last error of the index, so that it is logged once and not every second.
    last_error: Option<String>,
    retry_at: Option<Instant>,
}

impl Watcher {
    pub(super) fn new(recognizer: Arc<Recognizer>, watched: Watched, live: LiveGallery, metrics: Metrics) -> Self {
        Self {
            recognizer,
            known: watched.known,
            index_dir: watched.index_dir,
            limits: watched.limits,
            reject_outliers: watched.reject_outliers,
            verify: watched.verify,
            live,
            reindexer: Reindexer::default(),
            metrics,
            changes: ChangeDetector::new(),
            known_missing: false,
            enrol_error: None,
            opened: None,
            last_error: None,
            retry_at: None,
        }
    }

    /// Asks this watcher to enrol.
    pub(super) fn reindexer(&self) -> Reindexer {
        self.reindexer.clone()
    }

    /// Starts as many threads as given, for nothing else.
    pub(super) fn start(self, threads: usize) -> io::Result<()> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("known-{number}"))
            .start_handler(|_| yield_to_calls())
            .build()
            .map_err(io::Error::other)?;
        pool.spawn(move || self.run());
        Ok(())
    }

    /// Learns the folder, then watches it until [`Reindexer::stop`], and answers requests until the process
    /// ends.
    fn run(mut self) {
        let reindexer = self.reindexer.clone();
        KnownPhotos::new(self.known.clone()).remove_abandoned();
        let mut next_look = Instant::now();
        let mut first = true;
        loop {
            let Turn { look, requests } = reindexer.wait(next_look);
            // An enrolment on request makes a look needless; a look that is due comes when nobody waits.
            let look = look && (first || requests.is_empty());
            // The gallery is swapped whole, and what an enrolment half did is in files that the next one can
            // read: nothing that a panic leaves behind is of harm.
            let looked = catch_unwind(AssertUnwindSafe(|| look.then(|| self.look(first))));
            let answered = catch_unwind(AssertUnwindSafe(|| self.answer_all(requests)));
            if looked.is_err() || answered.is_err() {
                self.after_panic();
            }
            first = false;
            if let Some(pause) = looked.unwrap_or(Some(INTERVAL)) {
                next_look = Instant::now() + pause;
            }
        }
    }

    /// The thread that panicked has said why.
    fn after_panic(&mut self) {
        let message = "the known people could not be looked at: internal error; trying again";
        tracing::error!("{message}");
        self.retry_at = Some(Instant::now() + RETRY_AFTER);
        if matches!(self.live.state(), GalleryState::Starting) {
            self.live.set(GalleryState::Missing(message.to_owned()));
        }
    }

    /// Looks, and says how long to wait until the next look.
    fn look(&mut self, first: bool) -> Duration {
        let started = Instant::now();
        let seen = self.fingerprint();
        let pause = (started.elapsed() * PAUSE_PER_LOOK).clamp(INTERVAL, LONGEST_PAUSE);
        match seen {
            Some(seen) => {
                self.known_missing = false;
                // At start there is nothing to wait for: a photo that is still growing is read again.
                let due = self.retry_at.is_none_or(|at| Instant::now() >= at);
                if due && (self.changes.should_read(&seen, Instant::now()) || first) {
                    // What went wrong is logged, and tried again.
                    let _ = self.enrol(&EnrolOptions::default(), &|_| {}, Some(seen));
                }
            }
            None if !self.known_missing => {
                self.known_missing = true;
                tracing::warn!(
                    "{}: no such folder of known people; watching for it, and answering from the index in {} if there is one",
                    self.known.display(),
                    self.index_dir.display()
                );
            }
            None => {}
        }
        if let Err(error) = self.follow_index() {
            self.without_index(&error);
        }
        pause
    }

    /// `None` when there is no folder of known people, or it cannot be read.
    fn fingerprint(&self) -> Option<KnownFolderFingerprint> {
        KnownFolderFingerprint::of(&self.known, self.limits.max_photos).ok()
    }

    /// One enrolment for all that wait, one more for all that only ask what it would do.
    fn answer_all(&mut self, requests: Vec<Request>) {
        let (dry, wet): (Vec<Request>, Vec<Request>) =
            requests.into_iter().partition(|request| request.reindex.dry_run);
        for (requests, dry_run) in [(wet, false), (dry, true)] {
            if requests.is_empty() {
                continue;
            }
            let reindexed = self.reindex(&requests, dry_run);
            for request in requests {
                // An error says that the caller has left.
                let _ = request.answer.send(reindexed.clone());
            }
        }
    }

    fn reindex(&mut self, requests: &[Request], dry_run: bool) -> Reindexed {
        let full = requests.iter().any(|request| request.reindex.full);
        let progress = |at: EnrolProgress<'_>| {
            for request in requests {
                // Calls from several threads may overtake each other.
                request.progress.send_if_modified(|progress| {
                    let further = at.done > progress.done;
                    if further {
                        *progress = Progress { done: at.done, total: at.total };
                    }
                    further
                });
            }
        };
        let seen = if dry_run { None } else { self.fingerprint() };
        let options = EnrolOptions { full, dry_run, ..EnrolOptions::default() };
        let report = self.enrol(&options, &progress, seen).map_err(ReindexError::Enrol)?;
        if !dry_run {
            self.follow_index().map_err(|error| {
                self.without_index(&error);
                ReindexError::Open(Arc::new(error))
            })?;
        }
        Ok(Arc::new(report))
    }

    /// Enrols, the folder being as it was `seen`, with the limits and checks of this server.
    fn enrol(
        &mut self,
        options: &EnrolOptions,
        progress: &(dyn Fn(EnrolProgress<'_>) + Sync),
        seen: Option<KnownFolderFingerprint>,
    ) -> Result<EnrolmentReport, Arc<gallery::EnrolError>> {
        let pack = self.recognizer.pack();
        let options = EnrolOptions {
            limits: self.limits.clone(),
            outliers: Some(OutlierCheck { threshold: pack.decision().threshold, reject: self.reject_outliers }),
            ..options.clone()
        };
        let identity = pack.embedder_identity();
        let began = Instant::now();
        let result =
            gallery::enrol(&self.known, &self.index_dir, &identity, self.recognizer.as_ref(), &options, progress);
        match result {
            Ok(report) if options.dry_run => Ok(report),
            Ok(report) => {
                if let Some(seen) = seen {
                    self.changes.was_read(seen);
                }
                self.retry_at = None;
                self.enrol_error = None;
                self.metrics.reindexed(ReindexOutcome::Done, began.elapsed(), Some(report.skipped.len()));
                log(&report);
                Ok(report)
            }
            Err(error) => {
                tracing::error!("known people not enrolled: {error}");
                if !options.dry_run {
                    self.metrics.reindexed(ReindexOutcome::Failed, began.elapsed(), None);
                    self.retry_at = Some(Instant::now() + RETRY_AFTER);
                    self.enrol_error = Some(error.to_string());
                }
                Err(Arc::new(error))
            }
        }
    }

    /// Opens the index when another generation has become the live one, whoever wrote it.
    fn follow_index(&mut self) -> Result<(), GalleryError> {
        let current = gallery::current_generation(&self.index_dir).ok().flatten();
        if current.is_some() && current == self.opened {
            return Ok(());
        }
        let gallery = Gallery::open(&self.index_dir, &self.recognizer.pack().embedder_identity(), self.verify)?;
        tracing::info!("answering from generation {}, {} embeddings", gallery.generation(), gallery.rows());
        self.opened = Some(gallery.generation());
        self.live.set(GalleryState::Ready(Arc::new(gallery)));
        self.last_error = None;
        Ok(())
    }

    /// Goes on with the gallery there is; without any, says what is missing.
    fn without_index(&mut self, error: &GalleryError) {
        let missing = match (&self.enrol_error, error) {
            (Some(enrol_error), _) => format!("no known people: {enrol_error}"),
            (None, GalleryError::NoGeneration { .. }) => format!(
                "no known people: there is no folder {} and no index in {}",
                self.known.display(),
                self.index_dir.display()
            ),
            (None, error) => error.to_string(),
        };
        if self.last_error.as_ref() != Some(&missing) {
            tracing::error!("{missing}");
            self.last_error = Some(missing.clone());
        }
        if !matches!(self.live.state(), GalleryState::Ready(_)) {
            self.live.set(GalleryState::Missing(missing));
        }
    }
}

/// Names of photos are told to those who ask for details.
fn log(report: &EnrolmentReport) {
    for skipped in &report.skipped {
        tracing::warn!(target: PHOTO_NAMES, photo = skipped.photo, code = skipped.code, "known photo left out: {}", skipped.message);
    }
    for warning in &report.warnings {
        tracing::warn!(target: PHOTO_NAMES, photo = warning.photo, code = warning.code, "known photo: {}", warning.message);
    }
    if !report.skipped.is_empty() || !report.warnings.is_empty() {
        tracing::warn!(
            left_out = report.skipped.len(),
            warnings = report.warnings.len(),
            "some known photos need a look; recognizer reindex --dry-run names them, and so does log_paths"
        );
    }
    tracing::info!(
        generation = report.generation,
        people = report.people,
        photos = report.photos,
        added = report.added,
        removed = report.removed,
        embedded = report.embedded,
        resumed = report.resumed,
        "known people enrolled in {:.1} s",
        report.seconds
    );
}
/// Lets the threads that answer calls go first: those are waited for.
fn yield_to_calls() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "enrolling with as much of the CPU as calls have");
    }
}

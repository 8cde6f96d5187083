//! Keeps the gallery up to date with the folder of known people and with the index.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use facerecog_engine::gallery::{self, EnrolLimits, EnrolOptions, Gallery, GalleryError, Verify};
use facerecog_engine::recognizer::Recognizer;

use super::known_folder::{ChangeDetector, Fingerprint};
use super::live_gallery::{GalleryState, LiveGallery};
use crate::telemetry::{Metrics, PHOTO_NAMES, ReindexOutcome};

/// How often the folder is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// After an enrolment that failed as a whole (another process writes the index, the disk is full).
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Looks at the folder of known people and at the index, and publishes what they hold.
#[derive(Debug)]
pub(super) struct Watcher {
    recognizer: Arc<Recognizer>,
    known: PathBuf,
    index_dir: PathBuf,
    limits: EnrolLimits,
    verify: Verify,
    live: LiveGallery,
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
    pub(super) fn new(
        recognizer: Arc<Recognizer>,
        known: PathBuf,
        index_dir: PathBuf,
        limits: EnrolLimits,
        verify: Verify,
        live: LiveGallery,
        metrics: Metrics,
    ) -> Self {
        Self {
            recognizer,
            known,
            index_dir,
            limits,
            verify,
            live,
            metrics,
            changes: ChangeDetector::new(),
            known_missing: false,
            enrol_error: None,
            opened: None,
            last_error: None,
            retry_at: None,
        }
    }

    /// Learns the folder, then watches it until the process ends. Unparking the thread makes it look now.
    pub(super) fn run(mut self) {
        let mut first = true;
        loop {
            let started = Instant::now();
            self.look(first);
            first = false;
            // A folder that takes long to list, over a slow network, is not listed all the time.
            std::thread::park_timeout(INTERVAL.max(started.elapsed()));
        }
    }

    fn look(&mut self, first: bool) {
        match Fingerprint::of(&self.known) {
            Some(seen) => {
                self.known_missing = false;
                // At start there is nothing to wait for: a photo that is still growing is read again.
                let due = self.retry_at.is_none_or(|at| Instant::now() >= at);
                if due && (self.changes.should_read(&seen, Instant::now()) || first) {
                    self.enrol(seen);
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
        self.follow_index();
    }

    fn enrol(&mut self, seen: Fingerprint) {
        let began = Instant::now();
        let identity = self.recognizer.pack().embedder_identity();
        let options = EnrolOptions { limits: self.limits.clone(), ..EnrolOptions::default() };
        let result =
            gallery::enrol(&self.known, &self.index_dir, &identity, self.recognizer.as_ref(), &options, &|_| {});
        match result {
            Ok(report) => {
                self.changes.was_read(seen);
                self.retry_at = None;
                self.enrol_error = None;
                for skipped in &report.skipped {
                    tracing::warn!(target: PHOTO_NAMES, "known photo {} left out: {}", skipped.photo, skipped.message);
                }
                for warning in &report.warnings {
                    tracing::warn!(target: PHOTO_NAMES, "known photo {}: {}", warning.photo, warning.message);
                }
                if !report.skipped.is_empty() || !report.warnings.is_empty() {
                    tracing::warn!(
                        "{} known photos left out, {} taken with a warning; `recognizer reindex` names them, log_paths as well",
                        report.skipped.len(),
                        report.warnings.len()
                    );
                }
                self.metrics.reindexed(ReindexOutcome::Done, began.elapsed(), Some(report.skipped.len()));
                tracing::info!(
                    "{}: {} people on {} photos, {} added, {} removed, in {:.1} s",
                    self.known.display(),
                    report.people,
                    report.photos,
                    report.added,
                    report.removed,
                    report.seconds
                );
            }
            Err(error) => {
                self.metrics.reindexed(ReindexOutcome::Failed, began.elapsed(), None);
                self.retry_at = Some(Instant::now() + RETRY_AFTER);
                tracing::error!("known people not enrolled: {error}");
                self.enrol_error = Some(error.to_string());
            }
        }
    }

    /// Opens the index when another generation has become the live one, whoever wrote it.
    fn follow_index(&mut self) {
        let current = gallery::current_generation(&self.index_dir).ok().flatten();
        if current.is_some() && current == self.opened {
            return;
        }
        match Gallery::open(&self.index_dir, &self.recognizer.pack().embedder_identity(), self.verify) {
            Ok(gallery) => {
                tracing::info!("answering from generation {}, {} embeddings", gallery.generation(), gallery.rows());
                self.opened = Some(gallery.generation());
                self.live.set(GalleryState::Ready(Arc::new(gallery)));
                self.last_error = None;
            }
            Err(error) => self.without_index(&error),
        }
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

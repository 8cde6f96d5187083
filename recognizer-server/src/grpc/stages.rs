//! Where the time of a photo goes.

use std::time::{Duration, Instant};

use crate::telemetry::{Metrics, Stage};

/// What one job on a photo took, stage by stage; zero for a stage that was not reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stages {
    /// From the place in the queue to the beginning of the work.
    pub(crate) waiting: Duration,
    /// Reading and decoding.
    pub(crate) decode: Duration,
    /// Finding the faces.
    pub(crate) detect: Duration,
    /// Aligning and embedding them.
    pub(crate) embed: Duration,
    /// Searching the gallery for them.
    pub(crate) search: Duration,
    /// Faces found.
    pub(crate) faces: usize,
    /// Faces of somebody known.
    pub(crate) known: usize,
}

impl Stages {
    /// Counts and logs a photo whose work has ended, well or not.
    pub(super) fn tell(&self, metrics: &Metrics) {
        let Self { waiting, decode, detect, embed, search, faces, known } = *self;
        metrics.stage(Stage::Waiting, waiting);
        let reached =
            [(Stage::Decode, decode), (Stage::Detect, detect), (Stage::Embed, embed), (Stage::Search, search)];
        for (stage, duration) in reached.into_iter().filter(|(_, duration)| !duration.is_zero()) {
            metrics.stage(stage, duration);
        }
        if !detect.is_zero() {
            metrics.recognized(faces, known);
        }
        tracing::debug!(?waiting, ?decode, ?detect, ?embed, ?search, faces, known, "photo done");
    }
}

/// The result of `work`, whose time is added to `stage`.
pub(super) fn timed<R>(stage: &mut Duration, work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = work();
    *stage += start.elapsed();
    result
}

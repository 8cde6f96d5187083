//! Where the time of a photo goes.

use std::fmt::Debug;
use std::time::{Duration, Instant};

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

/// Told of every job on a photo when its work ends, well or not.
pub(crate) trait StageObserver: Debug + Send + Sync {
    /// Called on the thread that did the work: must not wait.
    fn photo_done(&self, stages: &Stages);
}

/// Writes the stages into the log, for those who look for lost time.
#[derive(Debug)]
pub(super) struct StageLog;

impl StageObserver for StageLog {
    fn photo_done(&self, stages: &Stages) {
        let Stages { waiting, decode, detect, embed, search, faces, known } = *stages;
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

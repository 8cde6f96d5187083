//! The numbers that Prometheus collects.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::process::ProcessNumbers;

/// Upper bounds of the classes of call durations, in seconds: from an answer out of the gallery to the
/// longest request.
const CALL_SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Upper bounds of the classes of stage durations, in seconds: a search takes fractions of a millisecond.
const STAGE_SECONDS: [f64; 13] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];

/// A part of the way from photo to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// From the request to the start of the work.
    Waiting,
    /// Bytes to pixels.
    Decode,
    /// Pixels to faces.
    Detect,
    /// Faces to embeddings.
    Embed,
    /// Embeddings to names.
    Search,
}

impl Stage {
    fn label(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Decode => "decode",
            Self::Detect => "detect",
            Self::Embed => "embed",
            Self::Search => "search",
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallOutcome {
    /// `package.Service/Method`, of the known ones, else `other`.
    pub(crate) method: &'static str,
    /// Name of the gRPC status code.
    pub(crate) code: &'static str,
    /// From the request's head to the end of the answer.
    pub(crate) duration: Duration,
}

/// The gallery that answers now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GalleryNumbers {
    pub(crate) generation: u64,
    pub(crate) rows: u64,
    pub(crate) people: u64,
}

/// Photos that wait, and that are worked on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QueueNumbers {
    pub(crate) waiting: u64,
    pub(crate) running: u64,
}

/// How bringing the gallery up to date went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReindexOutcome {
    /// A generation holds the folder.
    Done,
    /// The gallery is as it was.
    Failed,
}

impl ReindexOutcome {
    fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    pack: String,
}

type HistogramBy<Labels> = Family<Labels, Histogram, fn() -> Histogram>;
type GaugeOfSeconds = Gauge<f64, AtomicU64>;

/// Counts and times what the server does. Cheap to clone; all clones count into the same numbers.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    calls_in_progress: Gauge,
    call_seconds: HistogramBy<MethodLabels>,
    stage_seconds: HistogramBy<StageLabels>,
    photos: Counter,
    faces: Counter,
    matches: Counter,
    queue_waiting: Gauge,
    queue_running: Gauge,
    ready: Gauge,
    gallery_rows: Gauge,
    gallery_people: Gauge,
    gallery_generation: Gauge,
    reindexes: Family<ResultLabels, Counter>,
    reindex_seconds: GaugeOfSeconds,
    known_photos_skipped: Gauge,
    connections: Gauge,
    connections_refused: Family<ReasonLabels, Counter>,
    resident_bytes: Gauge,
    private_bytes: Gauge,
    threads: Gauge,
    open_files: Gauge,
}

impl Metrics {
    /// All numbers at 0. `pack` is the pack of models in use.
    pub(crate) fn new(pack: &str) -> Self {
        let mut registry = Registry::default();
        let build = BuildLabels { version: env!("CARGO_PKG_VERSION"), pack: pack.to_owned() };
        registry.register("facerecog_build", "What runs here", Info::new(build));
        let facerecog = registry.sub_registry_with_prefix("facerecog");
        let calls = Family::default();
        facerecog.register("calls", "Calls that ended, by method and gRPC status code", calls.clone());
        let calls_in_progress = gauge(facerecog, "calls_in_progress", "Calls that have begun and not ended");
        let call_seconds: HistogramBy<MethodLabels> = Family::new_with_constructor(|| Histogram::new(CALL_SECONDS));
        facerecog.register_with_unit(
            "call_duration",
            "Time from a request to the end of its answer",
            Unit::Seconds,
            call_seconds.clone(),
        );
        let stage_seconds: HistogramBy<StageLabels> = Family::new_with_constructor(|| Histogram::new(STAGE_SECONDS));
        facerecog.register_with_unit(
            "stage_duration",
            "Time of each step from photo to name",
            Unit::Seconds,
            stage_seconds.clone(),
        );
        let photos = counter(facerecog, "photos", "Photos that faces were looked for on");
        let faces = counter(facerecog, "faces", "Faces that were found");
        let matches = counter(facerecog, "matches", "Faces that were a known person's");
        let queue_waiting = gauge(facerecog, "queue_waiting", "Photos that wait for a thread");
        let queue_running = gauge(facerecog, "queue_running", "Photos that are worked on");
        let ready =
            gauge(facerecog, "ready", "1 while there is a gallery to answer from and the server is not stopping");
        let gallery_rows = gauge(facerecog, "gallery_rows", "Embeddings in the gallery");
        let gallery_people = gauge(facerecog, "gallery_people", "People in the gallery");
        let gallery_generation = gauge(facerecog, "gallery_generation", "Generation of the gallery");
        let reindexes = Family::default();
        facerecog.register("reindexes", "Times that the folder of known people was read, by result", reindexes.clone());
        let reindex_seconds = GaugeOfSeconds::default();
        facerecog.register_with_unit(
            "reindex_last_duration",
            "Time of the last reading of the folder of known people",
            Unit::Seconds,
            reindex_seconds.clone(),
        );
        let known_photos_skipped =
            gauge(facerecog, "known_photos_skipped", "Known photos that the last reading left out of the gallery");
        let connections = gauge(facerecog, "connections", "Connections that are open");
        let connections_refused = Family::default();
        facerecog.register(
            "connections_refused",
            "Connections that were closed before their first call, by reason",
            connections_refused.clone(),
        );
        let process = registry.sub_registry_with_prefix("process");
        let resident_bytes = gauge(process, "resident_memory_bytes", "Memory in use, mapped files included");
        let private_bytes = gauge(process, "private_memory_bytes", "Memory in use that is the process's alone");
        let threads = gauge(process, "threads", "Threads");
        let open_files = gauge(process, "open_fds", "Open file descriptors");
        Self(Arc::new(Inner {
            registry,
            calls,
            calls_in_progress,
            call_seconds,
            stage_seconds,
            photos,
            faces,
            matches,
            queue_waiting,
            queue_running,
            ready,
            gallery_rows,
            gallery_people,
            gallery_generation,
            reindexes,
            reindex_seconds,
            known_photos_skipped,
            connections,
            connections_refused,
            resident_bytes,
            private_bytes,
            threads,
            open_files,
        }))
    }

    /// A call has begun; [`Self::call_ended`] follows.
    pub(crate) fn call_began(&self) {
        self.0.calls_in_progress.inc();
    }

    /// A call has ended, however it did.
    pub(crate) fn call_ended(&self, outcome: CallOutcome) {
        let CallOutcome { method, code, duration } = outcome;
        self.0.calls_in_progress.dec();
        self.0.calls.get_or_create(&CallLabels { method, code }).inc();
        self.0.call_seconds.get_or_create(&MethodLabels { method }).observe(duration.as_secs_f64());
    }

    /// How long a step took.
    pub(crate) fn stage(&self, stage: Stage, duration: Duration) {
        self.0.stage_seconds.get_or_create(&StageLabels { stage: stage.label() }).observe(duration.as_secs_f64());
    }

    /// A photo was searched: so many faces, so many of them known.
    pub(crate) fn recognized(&self, faces: usize, matches: usize) {
        self.0.photos.inc();
        self.0.faces.inc_by(faces as u64);
        self.0.matches.inc_by(matches as u64);
    }

    /// The folder of known people was read; `skipped` photos are not in the gallery.
    pub(crate) fn reindexed(&self, result: ReindexOutcome, duration: Duration, skipped: Option<usize>) {
        self.0.reindexes.get_or_create(&ResultLabels { result: result.label() }).inc();
        self.0.reindex_seconds.set(duration.as_secs_f64());
        if let Some(skipped) = skipped {
            self.0.known_photos_skipped.set(skipped as i64);
        }
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> &Gauge {
        &self.0.connections
    }

    /// A connection was closed before its first call.
    pub(crate) fn connection_refused(&self, reason: &'static str) {
        self.0.connections_refused.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// The state of things as they are, for the next collection.
    pub(super) fn set_state(&self, ready: bool, gallery: Option<GalleryNumbers>, queue: QueueNumbers) {
        let gallery = gallery.unwrap_or_default();
        self.0.ready.set(ready.into());
        self.0.gallery_rows.set(gallery.rows as i64);
        self.0.gallery_people.set(gallery.people as i64);
        self.0.gallery_generation.set(gallery.generation as i64);
        self.0.queue_waiting.set(queue.waiting as i64);
        self.0.queue_running.set(queue.running as i64);
    }

    /// Everything as OpenMetrics text.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let process = ProcessNumbers::now();
        self.0.resident_bytes.set(process.resident_bytes as i64);
        self.0.private_bytes.set(process.private_bytes as i64);
        self.0.threads.set(process.threads as i64);
        self.0.open_files.set(process.open_files as i64);
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::new("builtin");
        metrics.call_began();
        metrics.call_ended(CallOutcome { method: "a.B/C", code: "OK", duration: Duration::from_millis(3) });
        metrics.call_began();
        metrics.stage(Stage::Search, Duration::from_micros(200));
        metrics.recognized(3, 2);
        metrics.reindexed(ReindexOutcome::Done, Duration::from_secs(2), Some(4));
        metrics.set_state(true, Some(GalleryNumbers { generation: 7, rows: 5, people: 6 }), QueueNumbers::default());
        let text = metrics.text().unwrap();
        for line in [
            "facerecog_calls_total{method=\"a.B/C\",code=\"OK\"} 1",
            "facerecog_calls_in_progress 1",
            "facerecog_call_duration_seconds_bucket{le=\"0.0025\",method=\"a.B/C\"} 0",
            "facerecog_call_duration_seconds_bucket{le=\"0.005\",method=\"a.B/C\"} 1",
            "facerecog_stage_duration_seconds_bucket{le=\"0.00025\",stage=\"search\"} 1",
            "facerecog_photos_total 1",
            "facerecog_faces_total 3",
            "facerecog_matches_total 2",
            "facerecog_ready 1",
            "facerecog_gallery_rows 5",
            "facerecog_gallery_people 6",
            "facerecog_gallery_generation 7",
            "facerecog_reindexes_total{result=\"done\"} 1",
            "facerecog_reindex_last_duration_seconds 2.0",
            "facerecog_known_photos_skipped 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains("facerecog_build_info{") && text.contains("pack=\"builtin\""), "{text}");
        assert!(text.trim_end().ends_with("# EOF"), "{text}");
    }
}

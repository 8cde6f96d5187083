//! Processors beside the real recognizer, on SQLite and a queue inside the process.

mod recognizer_process;

use std::collections::HashMap;
use std::time::Duration;

use facerecog_pipeline::image::{ImageId, Status};
use facerecog_pipeline::processor::{BreakerPolicy, Metrics, Processor, ProcessorPolicy};
use facerecog_pipeline::queue::{self, Publisher};
use facerecog_pipeline::recognizer::Recognizer;
use facerecog_pipeline::store::{Added, Store};
use facerecog_pipeline::telemetry::Stop;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use recognizer_process::{RecognizerProcess, in_repository};
use tempfile::TempDir;

const POLICY: ProcessorPolicy = ProcessorPolicy {
    concurrency: 2,
    lease: Duration::from_secs(30),
    breaker: BreakerPolicy {
        failures: 5,
        first_wait: Duration::from_millis(200),
        longest_wait: Duration::from_millis(400),
    },
    grace: Duration::from_secs(10),
};

/// Longest time that anything here may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    folder: TempDir,
    store: Store,
    publisher: Publisher,
    registry: Registry,
    recognizer: RecognizerProcess,
    running: tokio::sync::watch::Sender<()>,
    processor: tokio::task::JoinHandle<()>,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::connect(&format!("sqlite:{}", folder.path().join("photos.db").display())).await.unwrap();
        let recognizer = RecognizerProcess::start();
        let client = Recognizer::new(recognizer.address(), PATIENCE).unwrap();
        let (publisher, consumer) = queue::in_process();
        let (running, stop) = Stop::by_hand();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let processor = Processor::new(store.clone(), client, POLICY, metrics);
        let processor = tokio::spawn(processor.run(consumer, stop.wait()));
        Self { folder, store, publisher, registry, recognizer, running, processor }
    }

    async fn post(&self, paths: &[String]) -> Vec<ImageId> {
        let added = self.store.add_images(paths).await.unwrap();
        let ids: Vec<_> = added
            .into_iter()
            .map(|added| match added {
                Added::Saved(id) => id,
                Added::AlreadyThere => panic!("a path was there"),
            })
            .collect();
        self.publisher.publish(&ids).await.unwrap();
        self.store.queued(&ids).await.unwrap();
        ids
    }

    async fn status(&self, id: ImageId) -> Option<Status> {
        self.store.image(id).await.unwrap().unwrap().summary.status
    }

    /// Returns once `id` has `status`.
    async fn until(&self, id: ImageId, status: Status) {
        let reached = async {
            while self.status(id).await != Some(status) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{id} did not become {status:?}"));
    }

    /// Whether the metrics have `line`.
    fn tells(&self, line: &str) -> bool {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text.lines().any(|told| told == line)
    }

    async fn until_told(&self, line: &str) {
        let told = async {
            while !self.tells(line) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{line} was not told"));
    }

    async fn stop(self) {
        drop(self.running);
        self.processor.await.unwrap();
    }
}

/// Photos of the examples, and the known photo that each is nearest to.
fn examples() -> HashMap<String, String> {
    let expected = std::fs::read_to_string(in_repository("examples/expected.csv")).unwrap();
    expected
        .lines()
        .skip(1)
        .map(|line| {
            let mut columns = line.split(',');
            let path = in_repository("examples").join(columns.next().unwrap());
            (path.to_str().unwrap().to_owned(), columns.next().unwrap().to_owned())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_photo_gets_its_person_or_the_reason_why_not() {
    let bench = Bench::new().await;
    let examples = examples();
    let mut paths: Vec<_> = examples.keys().cloned().collect();
    let broken = bench.folder.path().join("broken.jpg");
    std::fs::write(&broken, "this is no photo").unwrap();
    paths.push(broken.to_str().unwrap().to_owned());
    paths.push("/no/such/photo.jpg".to_owned());
    let ids = bench.post(&paths).await;
    for (path, id) in paths.iter().zip(&ids) {
        let named = examples.get(path).filter(|name| *name != "not_found");
        bench.until(*id, if named.is_some() { Status::Processed } else { Status::Failed }).await;
        let detail = bench.store.image(*id).await.unwrap().unwrap();
        let known = detail.summary.face.and_then(|face| face.known).map(|known| known.image_name);
        assert_eq!(known.as_ref(), named, "{path}");
        assert_eq!(detail.summary.reason.is_none(), named.is_some(), "{path}");
        assert_eq!(detail.attempts, 1, "{path}");
    }
    // Photos that are refused are no failures of the recognizer.
    assert!(bench.tells("facerecog_processor_recognizer_failures_total 0"));
    assert!(bench.tells("facerecog_processor_circuit{state=\"closed\"} 1"));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_outlast_a_recognizer_that_is_away() {
    let mut bench = Bench::new().await;
    let paths: Vec<_> = examples().into_iter().filter(|(_, name)| name != "not_found").map(|(path, _)| path).collect();
    bench.recognizer.kill();
    let ids = bench.post(&paths).await;
    bench.until_told("facerecog_processor_circuit{state=\"open\"} 1").await;
    for id in &ids {
        let status = bench.status(*id).await;
        assert!(matches!(status, Some(Status::Pending | Status::Processing)), "{id}: {status:?}");
    }
    bench.recognizer.start_again();
    for id in &ids {
        bench.until(*id, Status::Processed).await;
        assert_eq!(bench.store.image(*id).await.unwrap().unwrap().attempts, 1, "the outage counts against {id}");
    }
    assert!(bench.tells("facerecog_processor_circuit{state=\"closed\"} 1"));
    assert!(!bench.tells("facerecog_processor_circuit_changes_total{state=\"closed\"} 0"));
    bench.stop().await;
}

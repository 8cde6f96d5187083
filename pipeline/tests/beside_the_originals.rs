//! Our services beside the original ones: their rows, their messages, their requests, and their recognizer's contract,
//! on MariaDB, NSQ, and Python's grpcio.

mod databases;
mod nsq;
mod original_recognizer;

use std::time::Duration;

use databases::TestDatabase;
use facerecog_pipeline::config::ReceiverSettings;
use facerecog_pipeline::processor::{BreakerPolicy, Metrics, Processor, ProcessorPolicy};
use facerecog_pipeline::queue::{nsq_consumer, nsq_publisher};
use facerecog_pipeline::receiver::{self, Receiver};
use facerecog_pipeline::recognizer::Recognizer;
use facerecog_pipeline::store::Store;
use facerecog_pipeline::telemetry::{Readiness, Stop, Telemetry};
use nsq::{Daemon, ask};
use original_recognizer::OriginalRecognizer;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;
use sqlx::{Connection, MySqlConnection, Row};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything takes that is to happen.
const PATIENCE: Duration = Duration::from_secs(60);

const POLICY: ProcessorPolicy = ProcessorPolicy {
    concurrency: 4,
    lease: Duration::from_secs(30),
    breaker: BreakerPolicy {
        failures: 5,
        first_wait: Duration::from_millis(200),
        longest_wait: Duration::from_millis(400),
    },
    grace: Duration::from_secs(10),
};

/// Statuses as they stand in the table.
const PENDING: i32 = 0;
const PROCESSED: i32 = 1;
const FAILED: i32 = 2;
const PROCESSING: i32 = 3;

/// Our processor, and all else the original's, or what the original speaks to.
struct Bench {
    database: TestDatabase,
    store: Store,
    recognizer: OriginalRecognizer,
    nsqd: Daemon,
    _lookupd: Daemon,
    registry: Registry,
    processor: tokio::task::JoinHandle<()>,
    running: tokio::sync::watch::Sender<()>,
    _folder: TempDir,
}

impl Bench {
    async fn new(names: serde_json::Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = databases::mariadb().await;
        database.execute(&databases::original_tables("utf8mb4")).await;
        let lookupd = Daemon::nsqlookupd(folder.path()).await;
        let nsqd = Daemon::nsqd(folder.path(), folder.path(), &[]).await;
        let recognizer = OriginalRecognizer::start(folder.path(), &names);
        let store = Store::connect(&database.url).await.unwrap();
        let client = Recognizer::new(recognizer.address(), Duration::from_secs(10)).unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (running, stop) = Stop::by_hand();
        let processor = Processor::new(store.clone(), client, POLICY, metrics);
        let processor = tokio::spawn(processor.run(nsq_consumer(&lookupd.http(), 4), stop.wait()));
        Self { database, store, recognizer, nsqd, _lookupd: lookupd, registry, processor, running, _folder: folder }
    }

    async fn sql(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.database.url).await.expect("the server answers")
    }

    /// Stores a path as the original receiver does.
    async fn insert(&self, path: &str, status: i32) -> u64 {
        let insert = sqlx::query("insert into images (path, person, status) values (?, ?, ?)");
        let insert = insert.bind(path).bind(-1).bind(status).execute(&mut self.sql().await).await;
        insert.expect("it is stored").last_insert_id()
    }

    /// Queues an id as the original services do.
    async fn publish(&self, body: &[u8]) {
        let answer = ask(&self.nsqd.http(), "POST", "/pub?topic=images", body).await.unwrap();
        assert!(answer.ends_with("OK"), "{answer}");
    }

    /// Path, person and status, by the original processor's query and by position, as it reads them.
    async fn row(&self, id: u64) -> (String, i32, i32) {
        let select = sqlx::query("select * from images where id = ?").bind(id as i64);
        let row = select.fetch_one(&mut self.sql().await).await.unwrap();
        (row.get(1), row.get(2), row.get(3))
    }

    /// Returns once a photo has a status.
    async fn until(&self, id: u64, status: i32) {
        let reached = async {
            while self.row(id).await.2 != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{id} did not become {status}"));
    }

    /// Returns once the metrics have `line`.
    async fn until_told(&self, line: &str) {
        let told = async {
            loop {
                let mut text = String::new();
                encode(&mut text, &self.registry).unwrap();
                if text.lines().any(|told| told == line) {
                    return;
                }
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

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_messages_of_the_originals_are_processed_with_their_recognizer() {
    let bench = Bench::new(json!({
        "/unknown_people/unknown.jpg": "hannibal_1.jpg",
        "/unknown_people/ünïcode.jpg": "gergely_01.jpg",
        "/unknown_people/stranger.jpg": "not_found",
        "/unknown_people/nobodys.jpg": "nobodys_1.jpg",
        "/unknown_people/done.jpg": "john_doe_1.jpg",
    }))
    .await;
    let cases = [
        ("/unknown_people/unknown.jpg", PENDING, (1, PROCESSED)),
        ("/unknown_people/ünïcode.jpg", PENDING, (4, PROCESSED)),
        ("/unknown_people/stranger.jpg", PENDING, (-1, FAILED)),
        // UNKNOWN, as every error of the original.
        ("/unknown_people/missing.jpg", PENDING, (-1, FAILED)),
        // The original leaves it in PROCESSING for ever.
        ("/unknown_people/nobodys.jpg", PENDING, (-1, FAILED)),
        // Somebody else's: it is skipped.
        ("/unknown_people/done.jpg", PROCESSING, (-1, PROCESSING)),
    ];
    let mut ids = Vec::new();
    for (number, (path, status, _)) in cases.into_iter().enumerate() {
        let id = bench.insert(path, status).await;
        // The receiver writes eight bytes of the id, the redeemer four and zeros.
        let body = if number % 2 == 0 {
            id.to_le_bytes().to_vec()
        } else {
            [&u32::try_from(id).unwrap().to_le_bytes()[..], &[0; 4]].concat()
        };
        bench.publish(&body).await;
        ids.push(id);
    }
    // A photo that is no more.
    bench.publish(&1_000_000_u64.to_le_bytes()).await;
    for (&id, (path, _, (person, status))) in ids.iter().zip(cases) {
        bench.until(id, status).await;
        assert_eq!(bench.row(id).await, (path.to_owned(), person, status));
    }
    bench.until_told("facerecog_processor_messages_total{result=\"taken\"} 1").await;
    bench.until_told("facerecog_processor_messages_total{result=\"empty\"} 1").await;
    bench.until_told("facerecog_processor_recognizer_failures_total 0").await;
    // The frontend's and the redeemer's.
    let query = "select count(*) from images inner join person on person.id = images.person where images.status = 1";
    assert_eq!(bench.database.number(query).await, 2);
    assert_eq!(bench.database.number("select count(*) from images where status != 1").await, 4);
    let detail = bench.store.image(facerecog_pipeline::image::ImageId(ids[3])).await.unwrap().unwrap();
    let reason = detail.summary.reason.unwrap();
    assert!(reason.contains("No such file or directory: '/unknown_people/missing.jpg'"), "{reason}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_outlast_an_original_recognizer_that_is_away() {
    let mut bench = Bench::new(json!({ "/a.jpg": "skarlso_1.jpg", "/b.jpg": "skarlso_2.jpg" })).await;
    let first = bench.insert("/a.jpg", PENDING).await;
    bench.publish(&first.to_le_bytes()).await;
    bench.until(first, PROCESSED).await;
    bench.recognizer.kill();
    let second = bench.insert("/b.jpg", PENDING).await;
    bench.publish(&second.to_le_bytes()).await;
    bench.until_told("facerecog_processor_circuit{state=\"open\"} 1").await;
    assert!([PENDING, PROCESSING].contains(&bench.row(second).await.2));
    bench.recognizer.start_again();
    bench.until(second, PROCESSED).await;
    assert_eq!(bench.row(second).await, ("/b.jpg".to_owned(), 2, PROCESSED));
    bench.until_told("facerecog_processor_circuit{state=\"closed\"} 1").await;
    bench.stop().await;
}

/// Reads messages of a channel as any client of NSQ does; the bodies of `count`.
async fn consume(nsqd: &str, channel: &str, count: usize) -> Vec<Vec<u8>> {
    let mut stream = TcpStream::connect(nsqd).await.unwrap();
    stream.write_all(format!("  V2SUB images {channel}\nRDY {count}\n").as_bytes()).await.unwrap();
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let (length, kind) = (stream.read_u32().await.unwrap(), stream.read_u32().await.unwrap());
        let mut data = vec![0; length as usize - 4];
        stream.read_exact(&mut data).await.unwrap();
        // 2 is a message: its time (8 bytes), attempts (2) and id (16) are before its body.
        if kind == 2 {
            bodies.push(data[26..].to_vec());
        }
    }
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_and_processors_of_the_original_work_with_our_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let database = databases::mariadb().await;
    database.execute(&databases::original_tables("utf8mb4")).await;
    let lookupd = Daemon::nsqlookupd(folder.path()).await;
    let nsqd = Daemon::nsqd(folder.path(), folder.path(), &[]).await;
    let store = Store::connect(&database.url).await.unwrap();
    let settings = ReceiverSettings {
        receiver_host: [127, 0, 0, 1].into(),
        receiver_port: 0,
        receiver_max_batch: 100,
        receiver_max_body_mib: 1,
        receiver_upload_folder: None,
        receiver_max_upload_mib: 1,
    };
    let mut registry = Registry::default();
    let metrics = receiver::Metrics::register(&mut registry);
    let receiver = Receiver::new(store, nsq_publisher(&nsqd.tcp()), &settings, metrics).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (running, stop) = Stop::by_hand();
    let telemetry = Telemetry::new(registry, Readiness::default());
    let served = tokio::spawn(async move { receiver::serve(listener, receiver, &telemetry, stop).await });

    let answer = ask(&address, "POST", "/image/post", br#"{"path":"/unknown_people/a.jpg"}"#).await.unwrap();
    assert!(answer.ends_with("image sent to nsq\n"), "{answer}");
    let batch = br#"{"paths":[{"path":"/unknown_people/b.jpg"},{"path":"/unknown_people/c.jpg"}]}"#;
    let answer = ask(&address, "POST", "/images/post", batch).await.unwrap();
    assert_eq!(answer.matches("image sent to nsq\n").count(), 2, "{answer}");

    // As the original's processor does.
    let bodies = tokio::time::timeout(PATIENCE, consume(&nsqd.tcp(), "ch", 3)).await.expect("three messages");
    let mut sql = MySqlConnection::connect(&database.url).await.unwrap();
    let mut paths = Vec::new();
    for body in bodies {
        let id = u64::from_le_bytes(body.try_into().expect("eight bytes"));
        let row = sqlx::query("select * from images where id = ?").bind(id as i64).fetch_one(&mut sql).await.unwrap();
        assert_eq!((row.get::<i32, _>(2), row.get::<i32, _>(3)), (-1, PENDING));
        paths.push(row.get::<String, _>(1));
    }
    paths.sort();
    assert_eq!(paths, ["/unknown_people/a.jpg", "/unknown_people/b.jpg", "/unknown_people/c.jpg"]);
    drop((running, lookupd));
    served.await.unwrap().unwrap();
}

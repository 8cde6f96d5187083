//! The receiver, asked over HTTP, on a real database and a real queue.

mod breakable;
mod databases;
mod nsq;

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use breakable::Breakable;
use databases::TestDatabase;
use facerecog_pipeline::config::ReceiverSettings;
use facerecog_pipeline::image::{ImageId, Status};
use facerecog_pipeline::queue::{Consumer, Publisher, in_process, nsq_consumer, nsq_publisher};
use facerecog_pipeline::receiver::{Metrics, Outbox, Receiver, serve};
use facerecog_pipeline::store::{Filter, Store};
use facerecog_pipeline::telemetry::{Readiness, Stop, Telemetry};
use nsq::Daemon;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// Longer than anything takes that is to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Name, file name and content of a form's field.
type Field<'f> = (&'f str, Option<&'f str>, &'f [u8]);

/// A receiver that answers, its database, and its folder for photos.
struct Service {
    dir: TempDir,
    store: Store,
    address: String,
    running: watch::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
    database: Option<TestDatabase>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Service {
    async fn start(publisher: Publisher) -> Self {
        let database = databases::sqlite();
        let service = Self::on(&database.url, publisher).await;
        Self { database: Some(database), ..service }
    }

    /// On the database of an address.
    async fn on(url: &str, publisher: Publisher) -> Self {
        Self::at(TempDir::new().unwrap(), url, publisher).await
    }

    async fn at(dir: TempDir, url: &str, publisher: Publisher) -> Self {
        let store = Store::connect(url).await.unwrap();
        let settings = ReceiverSettings {
            receiver_host: [127, 0, 0, 1].into(),
            receiver_port: 0,
            receiver_max_batch: 10_000,
            receiver_max_body_mib: 4,
            receiver_upload_folder: Some(dir.path().join("photos")),
            receiver_max_upload_mib: 1,
        };
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (running, stop) = Stop::by_hand();
        let (database, queue) = (store.clone(), publisher.clone());
        let readiness = Readiness::until(stop.clone())
            .with("database", move || {
                let database = database.clone();
                async move { database.ping().await }
            })
            .with("queue", move || {
                let queue = queue.clone();
                async move { queue.ping().await }
            });
        let telemetry = Telemetry::new(registry, readiness);
        let receiver = Receiver::new(store.clone(), publisher.clone(), &settings, metrics.clone()).unwrap();
        let listener = TcpListener::bind((settings.receiver_host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(Outbox::new(store.clone(), publisher, metrics).run(stop.clone()));
        let server = tokio::spawn(async move { serve(listener, receiver, &telemetry, stop).await });
        Self { dir, store, address, running, server, database: None }
    }

    /// Sends all, then listens, as simple clients do.
    async fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(head(method, path, headers, body.len()).as_bytes()).await?;
            stream.write_all(body).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(PATIENCE, exchange).await.expect("an answer").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer { status: head[9..12].parse().unwrap(), head: head.to_lowercase(), body: body.to_owned() }
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, "", body.as_bytes()).await
    }

    async fn post_for_json(&self, path: &str, body: &[u8]) -> Answer {
        self.ask("POST", path, "Accept: application/json\r\n", body).await
    }

    /// Sends a form.
    async fn send(&self, fields: &[Field<'_>]) -> Answer {
        let mut body = Vec::new();
        for (name, file_name, content) in fields {
            let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
            body.extend(
                format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n").bytes(),
            );
            body.extend(*content);
            body.extend(b"\r\n");
        }
        body.extend(b"--edge--\r\n");
        let headers = "Accept: application/json\r\nContent-Type: multipart/form-data; boundary=edge\r\n";
        self.ask("POST", "/images", headers, &body).await
    }

    /// Paths and statuses of every row.
    async fn rows(&self) -> Vec<(String, Option<Status>)> {
        let page = self.store.page(&Filter::default(), 0, 100_000).await.unwrap();
        page.images.into_iter().map(|image| (image.path, image.status)).collect()
    }

    fn photos(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.dir.path().join("photos")).unwrap();
        folder.map(|entry| entry.unwrap().path()).collect()
    }
}

fn head(method: &str, path: &str, headers: &str, length: usize) -> String {
    format!("{method} {path} HTTP/1.0\r\nHost: receiver\r\n{headers}Content-Length: {length}\r\n\r\n")
}

async fn next(consumer: &mut Consumer) -> ImageId {
    let delivery = timeout(PATIENCE, consumer.next()).await.expect("a message");
    let id = delivery.id.unwrap();
    delivery.finish().await;
    id
}

fn batch(paths: impl IntoIterator<Item = String>) -> String {
    let paths: Vec<_> = paths.into_iter().map(|path| json!({ "path": path })).collect();
    json!({ "paths": paths }).to_string()
}

#[tokio::test]
async fn one_path_is_answered_as_the_original_answers() {
    let (publisher, mut consumer) = in_process();
    let service = Service::start(publisher).await;
    let answer = service.post("/image/post", r#"{"path":"/unknown_people/unknown0001.jpg"}"#).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; charset=utf-8"), "{}", answer.head);
    let id = next(&mut consumer).await;
    assert_eq!(
        answer.body,
        format!(
            "got path: {{Path:/unknown_people/unknown0001.jpg}}\n\
             got paths: {{Paths:[{{Path:/unknown_people/unknown0001.jpg}}]}}\n\
             image saved with id: {id}\nimage sent to nsq\n"
        )
    );
    assert_eq!(service.rows().await, [("/unknown_people/unknown0001.jpg".to_owned(), Some(Status::Pending))]);

    let again = service.post("/image/post", r#"{"path":"/unknown_people/unknown0001.jpg"}"#).await;
    assert_eq!(again.status, 200);
    assert_eq!(
        again.body,
        "got path: {Path:/unknown_people/unknown0001.jpg}\n\
         got paths: {Paths:[{Path:/unknown_people/unknown0001.jpg}]}\n\
         got error while saving image: image with path '/unknown_people/unknown0001.jpg' already exists; \
         moving on to next..."
    );
    assert_eq!(service.rows().await.len(), 1);
}

#[tokio::test]
async fn a_batch_is_answered_as_the_original_answers() {
    for database in databases::each().await {
        let (publisher, consumer) = in_process();
        batch_answers(&Service::on(&database.url, publisher).await, consumer).await;
    }
}

/// With duplicates.
async fn batch_answers(service: &Service, mut consumer: Consumer) {
    // Paths differ byte for byte; the second a is one too many.
    let answer = service.post("/images/post", &batch(["a", "b", "A", "a", "ä"].map(str::to_owned))).await;
    let [a, b, upper, umlaut] =
        [next(&mut consumer).await, next(&mut consumer).await, next(&mut consumer).await, next(&mut consumer).await];
    assert_eq!(
        answer.body,
        format!(
            "got paths: {{Paths:[{{Path:a}} {{Path:b}} {{Path:A}} {{Path:a}} {{Path:ä}}]}}\n\
             image saved with id: {a}\nimage sent to nsq\nimage saved with id: {b}\nimage sent to nsq\n\
             image saved with id: {upper}\nimage sent to nsq\n\
             got error while saving image: image with path 'a' already exists; moving on to next...\
             image saved with id: {umlaut}\nimage sent to nsq\n"
        )
    );
    let paths: HashSet<_> = service.rows().await.into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, HashSet::from(["a", "b", "A", "ä"].map(str::to_owned)));
}

#[tokio::test]
async fn who_accepts_json_gets_json() {
    let (publisher, mut consumer) = in_process();
    let service = Service::start(publisher).await;
    let answer = service.post_for_json("/image/post", br#"{"path":"a"}"#).await;
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let first = next(&mut consumer).await.0;
    assert_eq!(
        answer.json(),
        json!({ "images": [{ "path": "a", "result": "saved", "id": first }],
                "saved": 1, "already_there": 0, "queued": true })
    );
    let answer = service.post_for_json("/images/post", br#"{"paths":[{"path":"a"},{"path":"b"}]}"#).await;
    let second = next(&mut consumer).await.0;
    assert_eq!(
        answer.json(),
        json!({ "images": [{ "path": "a", "result": "already_there" }, { "path": "b", "result": "saved", "id": second }],
                "saved": 1, "already_there": 1, "queued": true })
    );
}

#[tokio::test]
async fn bad_input_is_told_and_nothing_is_stored() {
    for database in databases::each().await {
        let (publisher, _consumer) = in_process();
        bad_input(&Service::on(&database.url, publisher).await).await;
    }
}

async fn bad_input(service: &Service) {
    let long = format!(r#"{{"path":"{}"}}"#, "x".repeat(300));
    let good_then_long = format!(r#"{{"paths":[{{"path":"good"}},{{"path":"{}"}}]}}"#, "x".repeat(256));
    let huge = format!(r#"{{"path":"{}"}}"#, "x".repeat(10 << 20));
    let many = batch((0..100_000).map(|photo| photo.to_string()));
    let deep = format!(r#"{{"paths":{}"#, "[".repeat(1 << 20));
    let table: [(&str, &str, &[u8], u16, &str); 21] = [
        ("POST", "/image/post", b"", 400, "bad_json"),
        ("POST", "/image/post", b"path=x", 400, "bad_json"),
        ("POST", "/image/post", br#"{"path":"#, 400, "bad_json"),
        ("POST", "/image/post", br#"{"path":7}"#, 400, "bad_json"),
        ("POST", "/image/post", b"{\"path\":\"\xff\xfe\"}", 400, "bad_json"),
        ("POST", "/image/post", br#"{"path":"\ud800"}"#, 400, "bad_json"),
        ("POST", "/image/post", b"{}", 400, "empty_path"),
        ("POST", "/image/post", br#"{"path":""}"#, 400, "empty_path"),
        ("POST", "/image/post", br#"{"path":"a\u0000b"}"#, 400, "nul_in_path"),
        ("POST", "/image/post", long.as_bytes(), 400, "long_path"),
        ("POST", "/image/post", huge.as_bytes(), 413, "large_body"),
        ("POST", "/images/post", br#"{"paths":"x"}"#, 400, "bad_json"),
        ("POST", "/images/post", br#"{"paths":[]}"#, 400, "empty_batch"),
        ("POST", "/images/post", br#"{"paths":[{"path":"good"},{}]}"#, 400, "empty_path"),
        ("POST", "/images/post", good_then_long.as_bytes(), 400, "long_path"),
        ("POST", "/images/post", many.as_bytes(), 413, "large_batch"),
        ("POST", "/images/post", huge.as_bytes(), 413, "large_body"),
        ("POST", "/images/post", deep.as_bytes(), 400, "bad_json"),
        ("POST", "/image/post/", br#"{"path":"a"}"#, 404, "not_found"),
        ("POST", "/images", br#"{"path":"a"}"#, 415, "not_a_form"),
        ("GET", "/image/post", b"", 405, "wrong_method"),
    ];
    for (method, path, body, status, code) in table {
        let answer = service.ask(method, path, "Accept: application/json\r\n", body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
        assert_eq!((answer.status, answer.code()), (status, code.to_owned()), "{method} {path} {shown}");
        let answer = service.ask(method, path, "", body).await;
        assert_eq!(answer.status, status, "{method} {path} {shown}");
        assert!(answer.body.len() < 1000, "{}", answer.body);
    }
    let bad = service.post("/image/post", "{").await;
    assert!(bad.body.starts_with("got error while decoding body: "), "{}", bad.body);
    let bad = service.post("/images/post", "{").await;
    assert!(bad.body.starts_with("got error while decoding request body: "), "{}", bad.body);
    let bad = service.post("/images/post", &good_then_long).await;
    assert_eq!(bad.body, "paths[1]: the path has 256 characters: 255 are the most");

    assert_eq!(service.rows().await, []);
    assert_eq!(service.photos(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_full_batch_is_one_message_and_a_path_may_be_as_long_as_the_column() {
    let (publisher, mut consumer) = in_process();
    let service = Service::start(publisher).await;
    let longest = "ä".repeat(255);
    let paths = std::iter::once(longest.clone()).chain((1..10_000).map(|photo| photo.to_string()));
    let answer = service.post_for_json("/images/post", batch(paths).as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["saved"]), (200, &json!(10_000)));
    for _ in 0..10_000 {
        next(&mut consumer).await;
    }
    let rows = service.rows().await;
    assert!(rows.len() == 10_000 && rows.iter().any(|(path, _)| *path == longest));
}

#[tokio::test]
async fn one_path_of_many_clients_is_saved_once() {
    let (publisher, mut consumer) = in_process();
    let service = Arc::new(Service::start(publisher).await);
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let service = Arc::clone(&service);
        clients.spawn(async move { service.post_for_json("/image/post", br#"{"path":"a"}"#).await });
    }
    let answers = clients.join_all().await;
    let saved: u64 = answers.iter().map(|answer| answer.json()["saved"].as_u64().unwrap()).sum();
    assert_eq!((saved, service.rows().await.len()), (1, 1));
    next(&mut consumer).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_is_stored_whole_or_not_at_all() {
    let (publisher, mut consumer) = in_process();
    let service = Service::start(publisher).await;
    // Half of a body; then all of one, and nobody to hear the answer.
    let mut half = TcpStream::connect(&service.address).await.unwrap();
    half.write_all(head("POST", "/image/post", "", 100).as_bytes()).await.unwrap();
    half.write_all(br#"{"path":"half"}"#).await.unwrap();
    drop(half);
    let mut whole = TcpStream::connect(&service.address).await.unwrap();
    let body = br#"{"path":"whole"}"#;
    whole.write_all(head("POST", "/image/post", "", body.len()).as_bytes()).await.unwrap();
    whole.write_all(body).await.unwrap();
    drop(whole);
    service.post("/image/post", r#"{"path":"last"}"#).await;
    let rows = service.store.page(&Filter::default(), 0, 10).await.unwrap().images;
    assert!(rows.iter().all(|row| row.path != "half"), "{rows:?}");
    assert!(rows.iter().any(|row| row.path == "last"), "{rows:?}");
    let stored: HashSet<_> = rows.iter().map(|row| row.id).collect();
    let mut queued = HashSet::new();
    for _ in &rows {
        queued.insert(next(&mut consumer).await);
    }
    assert_eq!(queued, stored);
}

const PHOTO: &[u8] = include_bytes!("../../known_people/biden.jpg");

#[tokio::test]
async fn photos_are_stored_whole_under_harmless_names() {
    for database in databases::each().await {
        let (publisher, consumer) = in_process();
        stored_photos(&Service::on(&database.url, publisher).await, consumer).await;
    }
}

async fn stored_photos(service: &Service, mut consumer: Consumer) {
    let fields: [Field<'_>; 3] =
        [("photo", Some("../../x"), PHOTO), ("note", None, b"not a file"), ("photo", Some("<b>.png"), PHOTO)];
    let answer = service.send(&fields).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let answer = answer.json();
    assert_eq!((&answer["saved"], &answer["queued"]), (&json!(2), &json!(true)));
    let folder = service.dir.path().join("photos");
    for (image, begins) in answer["images"].as_array().unwrap().iter().zip(["x-", "b-"]) {
        let path = PathBuf::from(image["path"].as_str().unwrap());
        assert_eq!(path.parent(), Some(&*folder), "{path:?}");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(begins) && name.ends_with(".jpg"), "{name}");
        assert!(fs::read(&path).unwrap() == PHOTO);
        assert_eq!(next(&mut consumer).await.0, image["id"].as_u64().unwrap());
    }
    assert_eq!((service.rows().await.len(), service.photos().len()), (2, 2));
}

#[tokio::test]
async fn what_is_no_photo_is_told_and_nothing_is_stored() {
    for database in databases::each().await {
        let (publisher, _consumer) = in_process();
        no_photos(&Service::on(&database.url, publisher).await).await;
    }
}

async fn no_photos(service: &Service) {
    let large = [PHOTO, &vec![0; 2 << 20]].concat();
    let table: [(&[Field<'_>], u16, &str); 6] = [
        (&[("photo", Some("x.jpg"), b"<svg/>")], 415, "not_a_photo"),
        (&[("photo", Some("x.jpg"), b"")], 415, "not_a_photo"),
        // The first is a photo, and goes with the second.
        (&[("photo", Some("x.jpg"), PHOTO), ("photo", Some("y.jpg"), b"#!/bin/sh")], 415, "not_a_photo"),
        (&[("photo", Some("x.jpg"), &large)], 413, "large_photo"),
        (&[("note", None, b"no file")], 400, "no_photo"),
        (&[], 400, "no_photo"),
    ];
    for (fields, status, code) in table {
        let answer = service.send(fields).await;
        assert_eq!((answer.status, answer.code()), (status, code.to_owned()), "{}", answer.body);
    }
    let cut = "--edge\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"x.jpg\"\r\n\r\n\u{7f}";
    let headers = "Accept: application/json\r\nContent-Type: multipart/form-data; boundary=edge\r\n";
    let answer = service.ask("POST", "/images", headers, cut.as_bytes()).await;
    assert_eq!((answer.status, &*answer.code()), (400, "cut_body"));

    assert_eq!(service.rows().await, []);
    assert_eq!(service.photos(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn photos_stay_unless_their_rows_are_surely_not_there() {
    let database = databases::mariadb().await;
    let proxy = Breakable::new(&database.url).await;
    let (publisher, mut consumer) = in_process();
    let service = Service::on(proxy.url(), publisher).await;
    let photo: [Field<'_>; 1] = [("photo", Some("a.jpg"), PHOTO)];

    proxy.break_before("insert into outbox");
    let answer = service.send(&photo).await;
    assert_eq!((answer.status, &*answer.code()), (503, "database_unavailable"), "{}", answer.body);
    assert!(proxy.has_broken());
    assert_eq!((service.rows().await, service.photos()), (vec![], vec![]));

    proxy.break_after("COMMIT");
    let answer = service.send(&photo).await;
    assert_eq!((answer.status, &*answer.code()), (503, "database_unavailable"), "{}", answer.body);
    assert!(proxy.has_broken() && answer.head.contains("retry-after: "), "{}", answer.head);
    let photos: Vec<_> = service.photos().iter().map(|photo| photo.display().to_string()).collect();
    let rows: Vec<_> = service.rows().await.into_iter().map(|(path, _)| path).collect();
    assert_eq!((photos.len(), &rows), (1, &photos));
    // The outbox has its id.
    next(&mut consumer).await;
}

#[tokio::test]
async fn uploads_that_were_cut_off_are_removed_at_the_start() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("photos")).unwrap();
    let two_days_ago = std::time::SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    for name in [".upload-a1b2c3", "a-0123456789abcdef.jpg"] {
        let file = fs::File::create(dir.path().join("photos").join(name)).unwrap();
        file.set_modified(two_days_ago).unwrap();
    }
    let (publisher, _consumer) = in_process();
    let database = databases::sqlite();
    let service = Service::at(dir, &database.url, publisher).await;
    let swept = async {
        while service.photos().len() > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, swept).await.expect("it is removed");
    assert!(service.photos()[0].ends_with("a-0123456789abcdef.jpg"), "{:?}", service.photos());
}

#[tokio::test]
async fn slow_clients_stop_nobody() {
    let (publisher, mut consumer) = in_process();
    let service = Service::start(publisher).await;
    let large = "x".repeat(100 << 10);
    let form = "Content-Type: multipart/form-data; boundary=edge\r\n";
    let field = "--edge\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n\r\n\u{7f}";
    let begun = [
        String::new(),
        "POST /image/post HTTP/1.1\r\nHost: rece".to_owned(),
        head("POST", "/image/post", "", 100) + "{\"path\":",
        head("POST", "/images", form, 1 << 20) + field,
    ];
    let begun_large = head("POST", "/images/post", "", 1 << 20) + &large;
    let mut slow = Vec::new();
    for client in 0..200 {
        let mut stream = TcpStream::connect(&service.address).await.unwrap();
        let begun = if client < 15 { &begun_large } else { &begun[client % begun.len()] };
        stream.write_all(begun.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let answer = service.post_for_json("/image/post", br#"{"path":"a"}"#).await;
    assert_eq!((answer.status, &answer.json()["saved"]), (200, &json!(1)), "{}", answer.body);
    assert_eq!(service.send(&[("photo", Some("a.jpg"), PHOTO)]).await.status, 201);
    let answer = service.post("/images/post", &batch(["b1", "b2"].map(str::to_owned))).await;
    assert_eq!(answer.body.matches("image sent to nsq").count(), 2, "{}", answer.body);
    let padded = format!("{}{}", batch(["c".to_owned()]), " ".repeat(1 << 20));
    assert_eq!(service.post_for_json("/images/post", padded.as_bytes()).await.json()["saved"], 1);
    assert_eq!(service.ask("GET", "/healthz", "", b"").await.status, 200);
    for stream in &slow {
        let reason = stream.try_read(&mut [0]).expect_err("answered beside the slow ones, not after them");
        assert_eq!(reason.kind(), std::io::ErrorKind::WouldBlock);
    }
    for _ in 0..5 {
        next(&mut consumer).await;
    }
    // They have their end, too, and leave nothing.
    let mut told = HashSet::new();
    for mut stream in slow {
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends");
        ended.expect("it ends in order");
        told.insert(answer.get(9..12).map(|status| String::from_utf8(status.to_vec()).unwrap()));
    }
    assert_eq!(told, HashSet::from([None, Some("408".to_owned())]));
    assert_eq!((service.rows().await.len(), service.photos().len()), (5, 1));
}

#[tokio::test]
async fn what_could_not_be_queued_is_queued_later() {
    let folder = TempDir::new().unwrap();
    let lookupd = Daemon::nsqlookupd(folder.path()).await;
    let mut nsqd = Daemon::nsqd(folder.path(), folder.path(), &[]).await;
    let service = Service::start(nsq_publisher(&nsqd.tcp())).await;
    assert_eq!(service.ask("GET", "/readyz", "", b"").await.status, 200);

    nsqd.kill();
    let answer = service.post("/images/post", &batch(["a", "b"].map(str::to_owned))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.matches("error while sending image to queue: the queue at 127.0.0.1:").count(), 2);
    let answer = service.post_for_json("/image/post", br#"{"path":"c"}"#).await.json();
    assert_eq!((&answer["saved"], &answer["queued"]), (&json!(1), &json!(false)));
    let not_ready = async {
        while service.ask("GET", "/readyz", "", b"").await.status != 503 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        service.ask("GET", "/readyz", "", b"").await.body
    };
    let reason = timeout(PATIENCE, not_ready).await.expect("the queue is missed");
    assert!(reason.starts_with("queue: the queue at "), "{reason}");
    assert_eq!(service.ask("GET", "/healthz", "", b"").await.status, 200);

    nsqd.start_again().await;
    let mut consumer = nsq_consumer(&lookupd.http(), 1);
    let mut ids = Vec::new();
    while ids.len() < 3 {
        let id = next(&mut consumer).await;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let metrics = service.ask("GET", "/metrics", "", b"").await.body;
    assert!(metrics.contains("facerecog_receiver_photos_total{result=\"saved\"} 3\n"), "{metrics}");
    assert!(metrics.contains("facerecog_receiver_queue_failures_total 2\n"), "{metrics}");
    assert!(
        metrics.contains("facerecog_receiver_requests_total{route=\"/images/post\",status=\"200\"} 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn requests_under_way_are_answered_when_it_stops() {
    let (publisher, mut consumer) = in_process();
    let Service { store: _store, address, running, server, dir: _dir, database: _database } =
        Service::start(publisher).await;
    let mut client = TcpStream::connect(&address).await.unwrap();
    let body = br#"{"path":"a"}"#;
    client.write_all(head("POST", "/image/post", "", body.len()).as_bytes()).await.unwrap();
    // The server has begun with it when it asks for the rest.
    client.write_all(&body[..4]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(running);
    client.write_all(&body[4..]).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("image sent to nsq\n"), "{answer}");
    next(&mut consumer).await;
    timeout(PATIENCE, server).await.expect("it ends").unwrap().unwrap();
    assert!(TcpStream::connect(&address).await.is_err());
}

//! A running server as its operators see it: metrics, log, reloading, and its end.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;
use support::server::{Server, await_that};

fn known() -> PathBuf {
    support::repository().join("known_people")
}

fn example(name: &str) -> String {
    support::repository().join("examples").join(name).to_str().expect("a path in UTF-8").to_owned()
}

/// Asks the server who is on a photo.
fn identify(server: &Server, photo: &str) -> Option<i32> {
    support::run(&mut server.call(&["identify", photo])).status.code()
}

#[test]
fn metrics_tell_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&known(), dir.path(), &[]);
    assert_eq!(server.page("/healthz").0, 200);
    assert_eq!(server.page("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(server.page("/else").0, 404);
    assert_eq!(identify(&server, &example("obama2.jpg")), Some(0));
    assert_eq!(identify(&server, &example("coffee.jpg")), Some(0));
    assert_eq!(identify(&server, "/nowhere.jpg"), Some(1));
    let method = "method=\"facerecog.Identify/Identify\"";
    for (metric, value) in [
        (format!("facerecog_calls_total{{{method},code=\"OK\"}}"), 2.0),
        (format!("facerecog_calls_total{{{method},code=\"NOT_FOUND\"}}"), 1.0),
        (format!("facerecog_call_duration_seconds_count{{{method}}}"), 3.0),
        (format!("facerecog_call_duration_seconds_bucket{{le=\"+Inf\",{method}}}"), 3.0),
        ("facerecog_calls_in_progress".into(), 0.0),
        ("facerecog_photos_total".into(), 2.0),
        ("facerecog_faces_total".into(), 1.0),
        ("facerecog_matches_total".into(), 1.0),
        ("facerecog_stage_duration_seconds_count{stage=\"search\"}".into(), 2.0),
        ("facerecog_gallery_rows".into(), 2.0),
        ("facerecog_gallery_people".into(), 2.0),
        ("facerecog_gallery_generation".into(), 1.0),
        ("facerecog_ready".into(), 1.0),
        ("facerecog_reindexes_total{result=\"done\"}".into(), 1.0),
        ("facerecog_queue_waiting".into(), 0.0),
        ("facerecog_queue_running".into(), 0.0),
    ] {
        await_that(
            || server.metric(&metric) == value,
            || format!("{metric} is not {value} in\n{}", server.page("/metrics").1),
        );
    }
    assert!(server.metric("process_resident_memory_bytes") > 1e6);
    assert!(server.metric("process_open_fds") > 3.0);

    // Whatever callers ask for, the labels stay those of the contracts.
    let text = server.page("/metrics").1;
    let methods = text.matches("facerecog_calls_total{method=\"").count();
    for number in 0..3 {
        let mut held = held_call(&server, &format!("/made.Up/Call{number}"), &[]);
        assert_eq!(held.output(), "0 UNIMPLEMENTED");
    }
    await_that(|| server.metric("facerecog_calls_total{method=\"other\",code=\"UNIMPLEMENTED\"}") == 3.0, String::new);
    let text = server.page("/metrics").1;
    assert_eq!(text.matches("facerecog_calls_total{method=\"").count(), methods + 1, "{text}");

    let page = fs::read_to_string(support::repository().join("docs/operators.md")).unwrap();
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(&format!("`{name}")), "docs/operators.md does not name {name}");
    }
}

/// The nice values of the server's threads whose names begin so.
fn nice_values(server: &Server, name: &str) -> Vec<i64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("stat")).ok());
    stats
        .filter_map(|stat| {
            let (start, fields) = stat.rsplit_once(") ")?;
            let named = start.split_once('(')?.1.starts_with(name);
            // The 19th field of proc_pid_stat(5), the third being the first here.
            named.then(|| fields.split(' ').nth(16).unwrap().parse().unwrap())
        })
        .collect()
}

#[test]
fn enrolment_leaves_the_cpu_to_calls() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&known(), dir.path(), &["--threads", "2"]);
    assert_eq!(nice_values(&server, "photo-"), [0, 0]);
    assert_eq!(nice_values(&server, "known-"), [10, 10]);
}

#[test]
fn a_server_without_known_people_is_alive_and_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("nowhere"), dir.path(), &[]);
    assert_eq!(server.page("/healthz").0, 200);
    let (status, reason) = server.page("/readyz");
    assert_eq!(status, 503);
    assert!(reason.contains("no known people"), "{reason}");
    assert_eq!(server.metric("facerecog_ready"), 0.0);
    assert_eq!(support::run(&mut server.call(&["health"])).status.code(), Some(1));
    assert_eq!(
        support::run(&mut server.call(&["health", "--service", "facerecog.HealthCheck"])).status.code(),
        Some(0)
    );
}

#[test]
fn metrics_can_be_off_and_their_address_can_be_taken() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&known(), dir.path(), &["--metrics-address", "off"]);
    assert!(!server.log().contains("metrics on"), "{}", server.log());
    let mut command = support::recognizer();
    command.args(["serve", "--address", "127.0.0.1:0", "--metrics-address", server.address(), "--known"]).arg(known());
    let output = support::run(command.current_dir(dir.path()));
    assert_eq!(output.status.code(), Some(1));
    assert!(support::complaints(&output).contains("--metrics-address"), "{}", support::complaints(&output));
}

/// A call whose client never ends its side.
struct Held(Child);

impl Held {
    fn output(&mut self) -> String {
        let mut text = String::new();
        self.0.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
        text.trim().to_owned()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Begins a call with these messages, in hexadecimal.
fn held_call(server: &Server, method: &str, messages: &[String]) -> Held {
    let mut script = support::peers::script("held_call.py");
    Held(
        script
            .arg(server.address())
            .arg(method)
            .args(messages)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts"),
    )
}

/// Stops the server amid calls, and holds what callers were told against what the server did.
fn stop_amid_calls(callers: usize, connections: usize, photo: Option<&str>) {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--log-level", "debug", "--log-format", "json", "--grace-seconds", "300"];
    let mut server = Server::start(&known(), dir.path(), &arguments);
    let mut script = support::peers::script("drain_client.py");
    script.arg(server.address()).args([callers.to_string(), connections.to_string()]).args(photo);
    let mut client = script.stdout(Stdio::piped()).spawn().expect("the script starts");
    let mut lines = BufReader::new(client.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "under way");
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0), "{}", server.log());
    let told: Value = serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
    assert!(client.wait().expect("the script ends").success());
    println!("{told}");
    assert_eq!(told["other"], Value::Array(Vec::new()), "calls were cut off");
    assert_eq!(told["gone"], callers, "each caller finds the server gone once");
    let records = server.log_records();
    let ended = |code: &str| {
        records.iter().filter(|record| record["target"] == "recognizer::call" && record["code"] == code).count()
    };
    assert_eq!(told["answered"], ended("OK"), "every answer that was given has arrived");
    assert_eq!(told["busy"], ended("UNAVAILABLE"));
    assert_eq!(ended("CANCELLED"), 0);
    assert!(ended("OK") >= callers);
}

#[test]
fn no_call_under_way_is_lost_when_the_server_stops() {
    stop_amid_calls(8, 8, Some(&example("obama2.jpg")));
    // More than there are places: some are told that the server is busy.
    stop_amid_calls(16, 2, Some(&example("obama2.jpg")));
}

#[test]
fn no_quick_call_is_lost_when_the_server_stops() {
    for _ in 0..5 {
        stop_amid_calls(32, 4, None);
    }
}

#[test]
fn streams_that_clients_keep_open_do_not_hold_up_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&known(), dir.path(), &["--grace-seconds", "300"]);
    let mut held: Vec<Held> = [
        "/facerecog.v1.Recognizer/RecognizeStream",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ]
    .map(|method| held_call(&server, method, &[]))
    .into();
    await_that(|| server.metric("facerecog_calls_in_progress") == 3.0, || server.page("/metrics").1);
    assert_eq!(server.stop().code(), Some(0));
    for call in &mut held {
        assert_eq!(call.output(), "0 UNAVAILABLE");
    }
}

/// A protobuf field of bytes, with a number below 16 and fewer than 128 bytes.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).ok().filter(|length| *length < 128).expect("a short value");
    [&[number << 3 | 2, length], value].concat()
}

#[test]
fn photos_of_a_stream_that_were_received_are_answered_before_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(example("obama2.jpg"), dir.path().join("probe.jpg")).unwrap();
    let server = Server::start(&known(), dir.path(), &["--grace-seconds", "300"]);
    // RecognizeStreamRequest { id = 1, photo = 2: Photo { path = 2 } }.
    let photo = field(2, &field(2, b"probe.jpg"));
    let messages: Vec<String> = (b'a'..=b'h')
        .map(|id| [field(1, &[id]), photo.clone()].concat())
        .map(|message| message.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    let mut held = held_call(&server, "/facerecog.v1.Recognizer/RecognizeStream", &messages);
    await_that(|| server.metric("facerecog_photos_total") >= 1.0, || server.page("/metrics").1);
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(held.output(), "8 UNAVAILABLE");
}

#[test]
fn a_call_that_does_not_finish_in_the_grace_time_is_cut_off_and_the_status_tells() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&known(), dir.path(), &["--grace-seconds", "0"]);
    let _held = held_call(&server, "/facerecog.Identify/Identify", &[]);
    await_that(|| server.metric("facerecog_calls_in_progress") == 1.0, || server.page("/metrics").1);
    assert_eq!(server.stop().code(), Some(1));
}

#[test]
fn a_stopping_server_says_so_answers_on_and_ends_at_once_on_a_second_signal() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(&known(), dir.path(), &["--drain-delay-seconds", "3600"]);
    server.signal("TERM");
    await_that(|| server.page("/readyz").0 == 503, || "still ready".into());
    assert!(server.page("/readyz").1.contains("stopping"));
    assert_eq!(server.page("/healthz").0, 200);
    let health = support::run(&mut server.call(&["health"]));
    assert_eq!(health.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&health.stdout).trim(), "NOT_SERVING");
    assert_eq!(identify(&server, &example("obama2.jpg")), Some(0));
    server.signal("INT");
    assert_eq!(server.ended().code(), Some(1));
    assert!(server.log().contains("second signal"), "{}", server.log());
}

#[test]
fn sighup_changes_the_log_and_says_what_needs_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.toml");
    fs::write(&file, "log_level = \"warn\"\n").unwrap();
    let server = Server::start(&known(), dir.path(), &["--config", "server.toml"]);
    assert_eq!(identify(&server, &example("coffee.jpg")), Some(0));
    assert!(!server.log().contains("facerecog.Identify/Identify"), "{}", server.log());
    fs::write(&file, "log_level = \"debug\"\nmax_faces = 3\n").unwrap();
    server.signal("HUP");
    server.await_log("need a restart", 1);
    assert_eq!(identify(&server, &example("coffee.jpg")), Some(0));
    server.await_log("facerecog.Identify/Identify", 1);
    fs::write(&file, "log_levle = \"warn\"\n").unwrap();
    server.signal("HUP");
    server.await_log("the configuration stays as it was", 1);
    assert!(server.log().contains("log_levle"), "{}", server.log());
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn photos_are_named_in_the_log_on_request_alone() {
    let people = tempfile::tempdir().unwrap();
    fs::copy(known().join("obama.jpg"), people.path().join("ada_lovelace.jpg")).unwrap();
    fs::copy(example("coffee.jpg"), people.path().join("grace_hopper.jpg")).unwrap();
    let names = ["ada_lovelace", "grace_hopper", "private.jpg", "broken.jpg"];
    for (arguments, named) in [
        (&["--log-level", "debug", "--log-format", "json"][..], false),
        (&["--log-level", "debug", "--log-format", "json", "--log-paths"], true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let broken = dir.path().join("broken.jpg");
        fs::write(&broken, b"\xff\xd8\xff\xe0 no photo").unwrap();
        let server = Server::start(people.path(), dir.path(), arguments);
        assert_eq!(identify(&server, "/nowhere/private.jpg"), Some(1));
        assert_eq!(identify(&server, broken.to_str().unwrap()), Some(1));
        server.await_log("\"INVALID_ARGUMENT\"", 1);
        let log = server.log();
        let found: Vec<&str> = names.into_iter().filter(|name| log.contains(name)).collect();
        if named {
            assert_eq!(found, ["grace_hopper", "private.jpg", "broken.jpg"], "{log}");
        } else {
            assert!(found.is_empty(), "{found:?} in\n{log}");
            assert!(log.contains("\"left_out\":1"), "{log}");
        }
        assert!(server.log_records().iter().all(|record| record["level"].is_string()));
    }
}

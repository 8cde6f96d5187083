//! Traces reach a collector, are part of the caller's, and the last of them are sent before the server ends.
//!
//! Of a program built with `--features recognizer-server/otel` alone.
#![cfg(feature = "otel")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::{Value, json};
use support::peers;
use support::server::Server;

#[test]
fn every_call_is_a_span_of_its_callers_trace() {
    let known = support::repository().join("known_people").canonicalize().unwrap();
    let photo = support::repository().join("examples").join("obama2.jpg").canonicalize().unwrap();
    let mut collector =
        peers::script("trace_collector.py").arg(&photo).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(collector.stdout.take().unwrap()).lines().map(Result::unwrap);
    let endpoint = said.next().expect("the collector says where it is");

    let dir = tempfile::tempdir().unwrap();
    let mut command = support::recognizer();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let server = Server::start_as(command, &known, dir.path(), &[]);
    let mut input = collector.stdin.take().unwrap();
    writeln!(input, "{}", server.address()).unwrap();
    assert_eq!(said.next().as_deref(), Some("asked"));
    assert_eq!(server.stop().code(), Some(0));
    drop(input);

    let spans: Vec<Value> = said.map(|line| serde_json::from_str(&line).unwrap()).collect();
    let expected = |code: i32| {
        json!({
            "service": ["facerecog"],
            "name": "facerecog.Identify/Identify",
            "trace": "0af7651916cd43dd8448eb211c80319c",
            "parent": "b7ad6b7169203331",
            "code": [code],
        })
    };
    assert_eq!(spans, [expected(0), expected(5)]);
    assert!(collector.wait().unwrap().success());
}

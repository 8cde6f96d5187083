//! The running server: the original's contract, asked row by row by Python's grpcio with stubs made
//! from the proto, and its end.

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A server on a port of its own, with its index and its log in `dir`.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts it and waits until it has learned the known people and says where it listens.
    fn start(known: &Path, dir: &Path) -> Self {
        let log = File::create(dir.join("log")).expect("a log file");
        let mut process = support::recognizer()
            .args(["serve", "--addr", "127.0.0.1:0", "--index"])
            .arg(dir.join("index"))
            .env("KNOWN_PEOPLE", known)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let mut announcement = String::new();
        let stdout = process.stdout.take().expect("the pipe asked for");
        BufReader::new(stdout).read_line(&mut announcement).expect("the server says where it listens");
        let address = announcement.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
        let address = address.unwrap_or_else(|| panic!("{announcement:?} names no address")).to_owned();
        Self { process, address }
    }

    /// Asks it to end, as Kubernetes does, and waits until it has.
    fn stop(mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &id]).status().expect("a shell");
        assert!(sent.success(), "the signal is sent");
        self.process.wait().expect("the server ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // For a test that fails halfway; fails itself where the server has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_row_of_the_original_contract_holds() {
    let Some(shared) = support::shared("every_row_of_the_original_contract_holds") else { return };
    let dir = tempfile::tempdir().unwrap();
    let fixture = dir.path().join("fixture");
    support::peers::output_of(support::peers::script("contract_fixture.py").arg(&fixture).arg(&shared));

    let server = Server::start(&fixture.join("known"), dir.path());
    let mut client = support::peers::script("contract_client.py");
    let output = support::run(client.arg(&server.address).arg(&fixture));
    let rows = String::from_utf8_lossy(&output.stdout);
    let log = std::fs::read_to_string(dir.path().join("log")).expect("the server's log");
    println!("{rows}");
    assert!(
        output.status.success() && rows.trim_end().ends_with(" 0 failed"),
        "{rows}{}\nthe server's log:\n{log}",
        support::complaints(&output)
    );
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn the_server_ends_cleanly_when_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&support::repository().join("known_people"), dir.path());
    assert_eq!(server.stop().code(), Some(0));
}

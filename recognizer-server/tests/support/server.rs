//! A server that runs, as callers and operators see it: its ports, its log, its end.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How often, and how many times, something is looked for that is about to happen.
const PAUSE: Duration = Duration::from_millis(100);
const LOOKS: usize = 600;

/// A server on ports of its own, with its index and its log in a folder of the test's.
pub(crate) struct Server {
    process: Child,
    address: String,
    log: PathBuf,
}

impl Server {
    /// Starts it with more `options` of `recognizer serve`, which override ports and folders, and waits until it has
    /// learned the known people and says where it listens.
    pub(crate) fn start(known: &Path, dir: &Path, options: &[&str]) -> Self {
        Self::start_as(super::recognizer(), known, dir, options)
    }

    /// As [`Self::start`], with a command that runs the program.
    pub(crate) fn start_as(mut command: Command, known: &Path, dir: &Path, options: &[&str]) -> Self {
        let log = dir.join("log");
        let mut process = command
            .arg("serve")
            .args(options)
            .env("FACERECOG_ADDRESS", "127.0.0.1:0")
            .env("FACERECOG_METRICS_ADDRESS", "127.0.0.1:0")
            .env("KNOWN_PEOPLE", known)
            .env("FACERECOG_INDEX", dir.join("index"))
            .current_dir(dir)
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .expect("the server starts");
        let mut announcement = String::new();
        let stdout = process.stdout.take().expect("the pipe asked for");
        BufReader::new(stdout).read_line(&mut announcement).expect("the server says where it listens");
        let address = announcement.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
        let address = address.map(ToOwned::to_owned);
        let mut server = Self { process, address: String::new(), log };
        server.address = address.unwrap_or_else(|| panic!("{announcement:?} names no address:\n{}", server.log()));
        server
    }

    /// `host:port` of the calls.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> String {
        self.process.id().to_string()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the server's log")
    }

    /// The lines of its log that are JSON objects.
    pub(crate) fn log_records(&self) -> Vec<serde_json::Value> {
        self.log().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
    }

    /// Waits until `text` has been logged `times`.
    pub(crate) fn await_log(&self, text: &str, times: usize) {
        await_that(|| self.log().matches(text).count() >= times, || format!("no {text:?} in\n{}", self.log()));
    }

    /// `host:port` of the metrics.
    pub(crate) fn metrics_address(&self) -> String {
        let log = self.log();
        let rest = log.split_once("metrics on http://").expect("the log says where the metrics are").1;
        rest.split('/').next().expect("an address").to_owned()
    }

    /// Status and text of a page of the second port.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let address = self.metrics_address();
        let mut stream = TcpStream::connect(&address).unwrap_or_else(|e| panic!("{address}: {e}"));
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("{head:?}")), text.to_owned())
    }

    /// The value of a metric, with its labels as they are written; 0 when it is not there.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.page("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap_or_else(|e| panic!("{name} {value}: {e}")))
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &self.id()]).status().expect("a shell");
        assert!(sent.success(), "the signal is sent");
    }

    /// Runs a script that asks the server one thing after another and counts what failed; none may have,
    /// no thread of the server may have panicked, and it must end well.
    pub(crate) fn passes(self, script: &mut Command) {
        let output = super::run(script);
        let rows = String::from_utf8_lossy(&output.stdout);
        println!("{rows}");
        assert!(all_passed(&output), "{rows}{}\nthe server's log:\n{}", super::complaints(&output), self.log());
        assert!(!self.log().contains("panicked"), "{}", self.log());
        assert_eq!(self.stop().code(), Some(0));
    }

    /// Ends it without asking, as a power cut does.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("the server is killed");
        self.process.wait().expect("the server ends");
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.process.wait().expect("the server ends")
    }

    /// Asks it to end, as Kubernetes does, and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// `recognizer call` with these arguments, to this server.
    pub(crate) fn call(&self, arguments: &[&str]) -> Command {
        let mut command = super::recognizer();
        command.arg("call").args(["--address", &self.address]).args(arguments);
        command
    }
}

fn all_passed(output: &Output) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stdout).trim_end().ends_with(" 0 failed")
}

impl Drop for Server {
    fn drop(&mut self) {
        // For a test that fails halfway; fails itself where the server has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until something is so.
pub(crate) fn await_that(mut so: impl FnMut() -> bool, otherwise: impl FnOnce() -> String) {
    for _ in 0..LOOKS {
        if so() {
            return;
        }
        sleep(PAUSE);
    }
    panic!("{}", otherwise());
}

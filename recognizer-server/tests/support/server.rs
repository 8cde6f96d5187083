//! A running server.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// A server on a port of its own, with its index and its log in a folder of the test's.
pub(crate) struct Server {
    process: Child,
    address: String,
    log: PathBuf,
}

impl Server {
    /// Starts it with more `options` of `recognizer serve`, and waits until it has learned the known
    /// people and says where it listens.
    pub(crate) fn start(known: &Path, dir: &Path, options: &[&str]) -> Self {
        let log = dir.join("log");
        let mut process = super::recognizer()
            .args(["serve", "--addr", "127.0.0.1:0", "--index"])
            .arg(dir.join("index"))
            .args(options)
            .env("KNOWN_PEOPLE", known)
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .expect("the server starts");
        let mut announcement = String::new();
        let stdout = process.stdout.take().expect("the pipe asked for");
        BufReader::new(stdout).read_line(&mut announcement).expect("the server says where it listens");
        let address = announcement.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
        let address = address.unwrap_or_else(|| panic!("{announcement:?} names no address")).to_owned();
        Self { process, address, log }
    }

    /// `host:port`.
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

    /// Asks it to end, as Kubernetes does, and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &self.id()]).status().expect("a shell");
        assert!(sent.success(), "the signal is sent");
        self.process.wait().expect("the server ends")
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

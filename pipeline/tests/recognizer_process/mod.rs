//! A recognizer to test on: the real one, on a free port, with the known people of this repository.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A path in the repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).canonicalize().expect("it is in the repository")
}

/// A recognizer that can be killed and started again on the same port.
#[derive(Debug)]
pub(crate) struct RecognizerProcess {
    address: String,
    index: TempDir,
    child: Option<Child>,
}

impl RecognizerProcess {
    /// Starts one; returns when it answers.
    pub(crate) fn start() -> Self {
        let mut process =
            Self { address: "127.0.0.1:0".into(), index: tempfile::tempdir().expect("a folder"), child: None };
        process.start_again();
        process
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it has ended");
        }
    }

    /// Starts it where it was.
    pub(crate) fn start_again(&mut self) {
        let mut child = Command::new(program())
            .args(["serve", "--metrics-address", "off", "--address", &self.address])
            .arg("--known")
            .arg(in_repository("known_people"))
            .arg("--index")
            .arg(self.index.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the recognizer starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
        self.address = address.unwrap_or_else(|| panic!("the recognizer said {line:?}")).to_owned();
        self.child = Some(child);
    }
}

impl Drop for RecognizerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program of the same build, or the one at `FACERECOG_RECOGNIZER`.
fn program() -> PathBuf {
    std::env::var_os("FACERECOG_RECOGNIZER")
        .map_or_else(|| Path::new(env!("CARGO_BIN_EXE_pipeline")).with_file_name("recognizer"), PathBuf::from)
}

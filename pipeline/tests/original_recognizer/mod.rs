//! A recognizer that speaks the original contract alone: `tests/peers/original_recognizer.py`.

// Each test binary uses some of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// One that can be killed and started again on the same port.
#[derive(Debug)]
pub(crate) struct OriginalRecognizer {
    table: PathBuf,
    address: String,
    child: Option<Child>,
}

impl OriginalRecognizer {
    /// Starts one that has `names` by path; returns when it answers.
    pub(crate) fn start(folder: &Path, names: &serde_json::Value) -> Self {
        let table = folder.join(format!("names-{}.json", fastrand::u64(..)));
        std::fs::write(&table, names.to_string()).unwrap();
        let mut recognizer = Self { table, address: "127.0.0.1:0".into(), child: None };
        recognizer.start_again();
        recognizer
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Starts it where it was.
    pub(crate) fn start_again(&mut self) {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers");
        let python = Command::new(peers.join("venv.sh")).output().expect("venv.sh runs");
        assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
        let mut child = Command::new(String::from_utf8(python.stdout).unwrap().trim())
            .arg(peers.join("original_recognizer.py"))
            .arg(&self.table)
            .arg(&self.address)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ");
        self.address = address.unwrap_or_else(|| panic!("it said {line:?}")).to_owned();
        self.child = Some(child);
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for OriginalRecognizer {
    fn drop(&mut self) {
        self.kill();
    }
}

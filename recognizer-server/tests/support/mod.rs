//! The program under test, and what it is asked about.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

#[path = "../../../engine/tests/support/peers.rs"]
pub(crate) mod peers;
pub(crate) mod server;
#[path = "../../../engine/tests/support/shared_folder.rs"]
mod shared_folder;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub(crate) use shared_folder::shared;

/// The repository: `known_people/` and `examples/` are there.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The program, untouched by the environment of whoever runs the tests.
pub(crate) fn recognizer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recognizer"));
    command.env_clear();
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// What a command that prints one JSON object a line has printed.
pub(crate) fn records(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

/// What a command has said beside its answers.
pub(crate) fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

//! The reference scripts in `tests/peers`, run in their own Python environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The command that runs a script; the environment is installed first where it is missing.
pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(folder().join(name));
    command
}

/// What the script prints. Its complaints go to standard error; a script that fails fails the test.
pub(crate) fn output_of(command: &mut Command) -> Vec<u8> {
    let output = command.stderr(Stdio::inherit()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output.stdout
}

fn python() -> PathBuf {
    let printed = output_of(&mut Command::new(folder().join("venv.sh")));
    PathBuf::from(String::from_utf8(printed).expect("a path in UTF-8").trim_end())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers")
}

//! Programs run under strace, with one system call made to fail or to be their last.
//!
//! Only calls that have to do with the given paths are seen and counted, so that neither the start
//! of the program nor the threads beside its writer change the count. The paths have to be absolute
//! and without links. Of its environment the program gets `PATH` and what the command sets.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// The `occurrence`th call of `name`, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SystemCall {
    pub(crate) name: String,
    pub(crate) occurrence: usize,
}

impl fmt::Display for SystemCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.occurrence)
    }
}

/// What happens instead of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies before the call.
    Kill,
    /// The call fails with this error.
    Error(&'static str),
    /// The call and all later ones of its name fail with this error.
    ErrorFromThenOn(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => write!(f, "SIGKILL"),
            Self::Error(error) => write!(f, "{error}"),
            Self::ErrorFromThenOn(error) => write!(f, "lasting {error}"),
        }
    }
}

/// Whether strace is there and may trace, or why `test` is skipped.
pub(crate) fn available(test: &str) -> bool {
    let traced = Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).output();
    match traced {
        Ok(output) if output.status.success() => return true,
        Ok(output) => println!("skipped: {test}: strace: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => println!("skipped: {test}: strace: {error}"),
    }
    false
}

/// Runs `program` to its end, and lists the calls that have to do with `paths`, as strace prints
/// them: `write(4, "gallery."..., 14) = 14`.
pub(crate) fn trace(paths: &[PathBuf], program: &Command) -> Vec<(SystemCall, String)> {
    let log = tempfile::NamedTempFile::new().expect("a file for the log");
    let mut strace = strace(paths, program);
    let status = strace.args_before_program(["-y", "-o"], log.path()).status();
    assert!(status.success(), "{program:?}: {status}");
    let log = std::fs::read_to_string(log.path()).expect("strace's log");
    let mut occurrences: HashMap<String, usize> = HashMap::new();
    let calls = log.lines().filter_map(|line| {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let name = call.split_once('(')?.0;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        let occurrence = occurrences.entry(name.to_owned()).or_default();
        *occurrence += 1;
        Some((SystemCall { name: name.to_owned(), occurrence: *occurrence }, call.to_owned()))
    });
    calls.collect()
}

/// Runs `program` to its end or death, with `fault` in the place of `call`.
pub(crate) fn run_with_fault(paths: &[PathBuf], program: &Command, call: &SystemCall, fault: Fault) -> ExitStatus {
    let (what, last) = match fault {
        Fault::Kill => ("signal=SIGKILL".to_owned(), ""),
        Fault::Error(error) => (format!("error={error}"), ""),
        Fault::ErrorFromThenOn(error) => (format!("error={error}"), "+"),
    };
    let inject = format!("inject={}:{what}:when={}{last}", call.name, call.occurrence);
    strace(paths, program).args_before_program(["-e", &inject, "-o"], Path::new("/dev/null")).status()
}

struct Strace<'a> {
    command: Command,
    program: &'a Command,
}

fn strace<'a>(paths: &[PathBuf], program: &'a Command) -> Strace<'a> {
    let mut command = Command::new("strace");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["-f", "-qq", "-e", "signal=none"]);
    for path in paths {
        command.arg("-P").arg(path);
    }
    Strace { command, program }
}

impl Strace<'_> {
    fn args_before_program<const N: usize>(&mut self, args: [&str; N], last: &Path) -> &mut Self {
        self.command.args(args).arg(last);
        self
    }

    fn status(&mut self) -> ExitStatus {
        let Self { command, program } = self;
        command.arg("--").arg(program.get_program()).args(program.get_args());
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().unwrap_or_else(|e| panic!("{command:?}: {e}"))
    }
}

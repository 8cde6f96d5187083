//! Answers on standard output, for people or for programs.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use super::error::CliError;

/// Prints answers in the form asked for. Lines are flushed as they are written, so that a reader at
/// the other end of a pipe sees each answer when it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read the answers.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Prints `record` as one line of JSON, or `text` for people.
    pub(crate) fn answer(self, record: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CliError> {
        if self.json {
            let line = serde_json::to_string(record).map_err(|error| CliError::Output(error.into()))?;
            print_line(&line)
        } else {
            print_line(&text())
        }
    }

    /// Prints a line that only people want.
    pub(crate) fn text(self, line: impl Display) -> Result<(), CliError> {
        if self.json { Ok(()) } else { print_line(&line.to_string()) }
    }
}

fn print_line(line: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(CliError::Output)
}

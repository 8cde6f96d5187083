//! The program `recognizer`: face recognition from the command line and over gRPC.
//!
//! As a library it is the server inside another program ([`Embedded`]); use `facerecog-engine` to recognise faces.

#![allow(
    rustdoc::invalid_html_tags,
    reason = "the documentation of an option is its help text, where <name> stands for itself"
)]

mod best_match;
mod cli;
mod config;
mod draw;
mod embedded;
mod eval;
mod grpc;
mod telemetry;

pub use embedded::{Embedded, EmbeddedError, EmbeddedOptions};
#[doc(hidden)]
pub use grpc::fuzzing;
pub use telemetry::PHOTO_NAMES;

/// Runs the command that the process was called with, and tells its exit status.
pub fn run() -> std::process::ExitCode {
    cli::run()
}

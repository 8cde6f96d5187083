//! The program `recognizer`: face recognition from the command line and over gRPC.
//!
//! A library only so that the fuzz targets reach it; use `facerecog-engine` to recognise faces.

#![allow(
    rustdoc::invalid_html_tags,
    reason = "the documentation of an option is its help text, where <name> stands for itself"
)]

mod best_match;
mod cli;
mod config;
mod draw;
mod eval;
mod grpc;
mod telemetry;

#[doc(hidden)]
pub use grpc::fuzzing;

/// Runs the command that the process was called with, and tells its exit status.
pub fn run() -> std::process::ExitCode {
    cli::run()
}

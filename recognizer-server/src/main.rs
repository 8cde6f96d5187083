//! `recognizer`: face recognition from the command line and over gRPC.

#![allow(
    rustdoc::invalid_html_tags,
    reason = "the documentation of an option is its help text, where <name> stands for itself"
)]

mod best_match;
mod cli;
mod draw;
mod eval;
mod grpc;

fn main() -> std::process::ExitCode {
    cli::run()
}

//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The services around the recognizer
#[derive(Debug, Parser)]
#[command(name = "pipeline", version)]
struct Arguments {
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, Subcommand)]
enum Service {
    /// Take paths of photos over HTTP, store and queue them
    Receiver,
    /// Ask the recognizer who is on queued photos
    Processor,
    /// Give photos that failed another try
    Redeemer,
    /// Show photos and people
    Frontend,
    /// Run every service in one process
    All,
}

/// Runs the command line; returns the exit status of the process.
pub fn run() -> ExitCode {
    let Arguments { service } = Arguments::parse();
    let _ = service;
    ExitCode::SUCCESS
}

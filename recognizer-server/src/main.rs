//! `recognizer`: face recognition from the command line and over gRPC.

mod best_match;
mod cli;
mod draw;
mod eval;
mod grpc;

fn main() -> std::process::ExitCode {
    cli::run()
}

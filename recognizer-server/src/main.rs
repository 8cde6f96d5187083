//! `recognizer`: face recognition from the command line and over gRPC.

fn main() -> std::process::ExitCode {
    recognizer_server::run()
}

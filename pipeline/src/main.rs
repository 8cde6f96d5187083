//! `pipeline`: the services around the recognizer.

fn main() -> std::process::ExitCode {
    facerecog_pipeline::run()
}

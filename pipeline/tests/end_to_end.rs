//! The whole system on the real things: MariaDB, NSQ, the recognizer, and each service as a process of its own. The
//! drivers are `tests/e2e/`; `make e2e` and `make chaos` run them by hand.

use std::path::Path;
use std::process::Command;

fn drive(driver: &str) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = std::env::var_os("FACERECOG_SHARED").map_or_else(|| repository.join("../shared"), Into::into);
    if !shared.join("data").is_dir() {
        println!("skipped: no photos at {}", shared.display());
        return;
    }
    let pipeline = Path::new(env!("CARGO_BIN_EXE_pipeline"));
    let recognizer =
        std::env::var_os("FACERECOG_RECOGNIZER").map_or_else(|| pipeline.with_file_name("recognizer"), Into::into);
    let ended = Command::new("python3")
        .arg(repository.join("tests/e2e").join(driver))
        .arg("--pipeline")
        .arg(pipeline)
        .arg("--recognizer")
        .arg(recognizer)
        .arg("--shared")
        .arg(shared)
        .status()
        .expect("python3 runs");
    assert!(ended.success(), "{driver}: {ended}");
}

#[test]
fn five_hundred_photos_are_settled_by_one_two_and_four_processors() {
    drive("e2e.py");
    // After it, not beside it: both want the whole machine.
    drive("chaos.py");
}

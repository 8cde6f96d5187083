//! What `deploy/` says: manifests that a cluster takes, with probes, limits and few rights, and with commands, flags
//! and variables that the programs know.

mod support;

use std::path::Path;
use std::process::Command;

#[test]
fn the_manifests_fit_kubernetes_and_the_programs() {
    let recognizer = Path::new(env!("CARGO_BIN_EXE_recognizer"));
    let checked = support::run(
        Command::new("sh")
            .arg(support::repository().join("tests/deploy/check.sh"))
            .arg(recognizer)
            .arg(recognizer.with_file_name("pipeline")),
    );
    print!("{}", String::from_utf8_lossy(&checked.stdout));
    assert!(checked.status.success(), "{}", support::complaints(&checked));
}

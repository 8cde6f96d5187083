//! The whole system in one process, with the recognizer, as somebody with a browser meets it.

mod all_process;

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use all_process::{AllProcess, command, in_repository};

fn repository() -> PathBuf {
    in_repository("").into()
}

/// What a script prints, without its line end; none when it fails.
fn printed(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::inherit()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    output.status.success().then(|| text.trim_end().to_owned())
}

#[test]
fn people_use_the_page() {
    let tests = repository().join("tests/browser");
    let Some(chromium) = printed(&mut Command::new(tests.join("chromium.sh"))) else {
        println!("skipped: there is no Chromium, and it cannot be installed");
        return;
    };
    let venv = repository().join("tests/peers/venv.sh");
    let python = printed(Command::new(venv).arg(&tests).arg("browser-venv")).expect("a Python environment");

    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path());
    command.env("KNOWN_PEOPLE", in_repository("known_people"));
    // Photos stay FAILED until the page retries them.
    command.env("REDEEMER_FIRST_DELAY_SECONDS", "3600").env("REDEEMER_LONGEST_DELAY_SECONDS", "3600");
    let all = AllProcess::start(&mut command);

    let mut drive = Command::new(python);
    drive.arg(tests.join("drive.py")).args(["--chromium", &chromium]);
    drive.arg("--frontend").arg(format!("http://{}", all.frontend()));
    drive.arg("--receiver").arg(format!("http://{}", all.receiver()));
    drive.arg("--examples").arg(repository().join("examples"));
    // Where to save what the README shows.
    if let Some(pictures) = env::var_os("FACERECOG_PICTURES") {
        drive.arg("--pictures").arg(pictures);
    }
    assert_eq!(printed(&mut drive).as_deref(), Some("ok"));
    assert!(all.terminate().success());
}

//! How the program ends when it is used wrongly. Nothing here needs a model to run.

use std::path::Path;
use std::process::{Command, Output};

fn recognizer(working_dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_recognizer"))
        .args(arguments)
        .current_dir(working_dir)
        .env_clear()
        .output()
        .expect("the program starts")
}

/// Runs wrongly used arguments: status 2, nothing on standard output, and a message holding `says`.
fn assert_usage_error(working_dir: &Path, arguments: &[&str], says: &str) {
    let output = recognizer(working_dir, arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert!(message.contains(says), "{arguments:?}: {message}");
}

#[test]
fn wrong_usage_ends_with_status_2_and_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    std::fs::write(dir.path().join("bad.csv"), "fold,same\n0,1\n").unwrap();
    for (arguments, says) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["identify"], "PHOTO|DIR"),
        (&["identify", "a.jpg", "--threads", "0"], "--threads"),
        (&["identify", "a.jpg"], "recognizer reindex"),
        (&["identify", "a.jpg", "--known", "nowhere"], "nowhere"),
        (&["identify", "empty"], "no photos"),
        (&["detect", "a.jpg", "b.jpg", "--draw", "out.png"], "give a folder"),
        (&["detect", "a.jpg", "--min-score", "2"], "from 0 to 1"),
        (&["index", "info"], "recognizer reindex"),
        (&["index", "verify"], "recognizer reindex"),
        (&["reindex", "nowhere"], "nowhere"),
        (&["eval", "verification", "bad.csv"], "fold,same,image_a,image_b"),
        (&["models", "fetch", "no-such-pack"], "no-such-pack"),
        (&["models", "list", "--manifest", "nowhere.toml"], "nowhere.toml"),
    ] {
        assert_usage_error(dir.path(), arguments, says);
    }
}

#[test]
fn help_teaches_with_examples() {
    let dir = tempfile::tempdir().unwrap();
    let commands: [&[&str]; 9] = [
        &[],
        &["serve"],
        &["reindex"],
        &["identify"],
        &["detect"],
        &["verify"],
        &["embed"],
        &["eval", "verification"],
        &["models"],
    ];
    for command in commands {
        let output = recognizer(dir.path(), &[command, &["--help"]].concat());
        assert!(output.status.success(), "{command:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Example"), "{command:?}");
    }
}

#[test]
fn an_address_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = recognizer(dir.path(), &["serve", "--addr", &address]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&address) && message.contains("--addr"), "{message}");
}

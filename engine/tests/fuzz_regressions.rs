//! Inputs that fuzzing found, or that mean harm by design: each is handled as its target asks.
#![allow(unreachable_pub, reason = "the fuzz targets are another crate")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../../fuzz/src/index_open.rs"]
mod index_open;
#[path = "../../fuzz/src/manifest.rs"]
mod manifest;
#[path = "../../fuzz/src/photo_decode.rs"]
mod photo_decode;

/// Memory that a process which handles the inputs may ask for, in KiB: what the fuzzer allows.
const MEMORY_KIB: u64 = 2 << 20;
/// Set in such a process.
const LIMITED: &str = "FACERECOG_MEMORY_LIMITED";

/// Hands every input of `target` to `check`, saying which; `test` is run again for that, as a process
/// that dies when it asks for more memory than is allowed.
fn each_input(test: &str, target: &str, check: impl Fn(&[u8])) {
    if env::var_os(LIMITED).is_none() {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {MEMORY_KIB} && exec \"$0\" --exact \"$1\" --nocapture")]);
        let output = shell.arg(env::current_exe().unwrap()).arg(test).env(LIMITED, "").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() && said.contains("1 passed"), "{}\n{said}", output.status);
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/regressions").join(target);
    let mut inputs: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{}: no inputs", folder.display());
    for input in inputs {
        println!("{}", input.display());
        check(&std::fs::read(&input).unwrap());
    }
}

#[test]
fn photos() {
    each_input("photos", "photo_decode", photo_decode::photo_decode);
}

#[test]
fn indexes() {
    let folder = tempfile::tempdir().unwrap();
    each_input("indexes", "index_open", |bytes| index_open::index_open(bytes, folder.path()));
}

#[test]
fn manifests() {
    let folder = tempfile::tempdir().unwrap();
    each_input("manifests", "manifest", |bytes| manifest::manifest(bytes, folder.path()));
}

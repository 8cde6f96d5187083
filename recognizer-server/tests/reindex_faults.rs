//! `recognizer reindex` that dies, or whose disk fails, while it writes the index: what was known
//! before or what is known now, and the next reindex succeeds.

#[path = "../../engine/tests/support/strace.rs"]
mod strace;
mod support;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use facerecog_engine::gallery::{Gallery, Verify};
use rayon::prelude::*;
use strace::{Fault, SystemCall};
use tempfile::TempDir;

const CASES: usize = 25;
const SEED: u64 = 3;

const FAULTS: [Fault; 5] =
    [Fault::Kill, Fault::Error("ENOSPC"), Fault::Error("EIO"), Fault::Error("EPERM"), Fault::ErrorFromThenOn("ENOSPC")];

fn reindex(known: &Path, index: &Path) -> Command {
    let mut command = support::recognizer();
    command.arg("reindex").arg(known).arg("--index").arg(index);
    command
}

/// Who is known, every byte of the index checked.
fn known_people(index: &Path) -> Vec<String> {
    let gallery = Gallery::open_any_embedder(index, Verify::Full).expect("the old or the new generation");
    gallery.people().map(|person| person.name.to_owned()).collect()
}

/// An index that knows Obama, and a folder in which Biden is new.
struct Folders {
    _folder: TempDir,
    known: PathBuf,
    index: PathBuf,
}

impl Folders {
    fn new(template: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let (known, index) = (base.join("known"), base.join("index"));
        fs::create_dir(&known).unwrap();
        fs::create_dir(&index).unwrap();
        for name in ["biden.jpg", "obama.jpg"] {
            fs::copy(support::repository().join("known_people").join(name), known.join(name)).unwrap();
        }
        for name in ["CURRENT", "gallery.1.idx"] {
            fs::copy(template.join(name), index.join(name)).unwrap();
        }
        Self { _folder: folder, known, index }
    }

    fn paths(&self) -> Vec<PathBuf> {
        let names =
            ["CURRENT", "CURRENT.tmp", "ENROLMENT", "LOCK", "gallery.1.idx", "gallery.2.idx", "gallery.2.idx.tmp"];
        names.map(|name| self.index.join(name)).into_iter().chain([self.index.clone()]).collect()
    }
}

#[test]
fn a_reindex_that_fails_leaves_the_old_or_the_new_people() {
    if !strace::available("a_reindex_that_fails_leaves_the_old_or_the_new_people") {
        return;
    }
    let template = tempfile::tempdir().unwrap();
    let obama_alone = template.path().join("known");
    fs::create_dir(&obama_alone).unwrap();
    fs::copy(support::repository().join("known_people/obama.jpg"), obama_alone.join("obama.jpg")).unwrap();
    let template = template.path().join("index");
    assert!(support::run(&mut reindex(&obama_alone, &template)).status.success());

    let folders = Folders::new(&template);
    let calls: Vec<SystemCall> = strace::trace(&folders.paths(), &reindex(&folders.known, &folders.index))
        .into_iter()
        .map(|(call, _)| call)
        .collect();
    assert_eq!(known_people(&folders.index), ["biden", "obama"]);

    println!("{CASES} of the faults at {} system calls, seed {SEED}", calls.len());
    let mut random = SEED;
    let mut cases = Vec::new();
    for number in 0..CASES {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let call = &calls[(random >> 33) as usize % calls.len()];
        let fault = FAULTS[number % FAULTS.len()];
        cases.push((call, fault));
    }
    cases.par_iter().for_each(|(call, fault)| {
        let folders = Folders::new(&template);
        let status = strace::run_with_fault(&folders.paths(), &reindex(&folders.known, &folders.index), call, *fault);
        let people = known_people(&folders.index);
        println!("{fault} at {call}: {status}, {people:?}");
        assert!(people == ["obama"] || people == ["biden", "obama"], "{fault} at {call}: {people:?}");
        assert!(!status.success() || people.len() == 2, "{fault} at {call}: said to be done");

        let next = support::run(&mut reindex(&folders.known, &folders.index));
        assert!(next.status.success(), "{fault} at {call}: the next reindex: {}", support::complaints(&next));
        assert_eq!(known_people(&folders.index), ["biden", "obama"], "{fault} at {call}");
        let left = fs::read_dir(&folders.index).unwrap().map(|entry| entry.unwrap().file_name());
        let is_unfinished = |name: &OsString| name == "ENROLMENT" || name.to_string_lossy().ends_with(".tmp");
        let unfinished: Vec<_> = left.filter(is_unfinished).collect();
        assert!(unfinished.is_empty(), "{fault} at {call}: {unfinished:?}");
    });
}

//! A writer that dies, and a disk that fails, at every system call of a publication: the old or the
//! new generation is there, whole, and the next publication mends the rest.
//!
//! The writer is a process of its own: this test binary, started with [`INDEX`] in its environment.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{env, fmt, fs};

use facerecog_engine::BoundingBox;
use facerecog_engine::embed::Metric;
use facerecog_engine::gallery::{Gallery, GalleryError, IndexWriter, Row, SourceFile, Verify, current_generation};
use facerecog_engine::model::EmbedderIdentity;
use rayon::prelude::*;
use tempfile::TempDir;

#[path = "support/strace.rs"]
mod strace;

use strace::{Fault, SystemCall};

/// Index folder of the writer process.
const INDEX: &str = "FACERECOG_FAULTS_INDEX";
/// Rows that it publishes.
const ROWS: &str = "FACERECOG_FAULTS_ROWS";
/// Whether it publishes on and on.
const ENDLESS: &str = "FACERECOG_FAULTS_ENDLESS";

/// What the writer process says of a publication that failed.
const FAILED: i32 = 10;
/// What it says of one that is live, but might not outlast a power cut.
const NOT_DURABLE: i32 = 11;

/// How the test harness ends after a panic.
const PANICKED: i32 = 101;

const IDENTITY: EmbedderIdentity = EmbedderIdentity { digest: [7; 32], dims: 128, metric: Metric::Euclidean };

/// A gallery that tells in every row which edition it is.
struct Edition {
    number: u64,
    names: Vec<String>,
    embeddings: Vec<Vec<f32>>,
}

impl Edition {
    fn new(number: u64, rows: usize) -> Self {
        let names = (0..rows).map(|row| format!("edition {number}, row {row}.jpg")).collect();
        let value = |row: usize, place: usize| number as f32 + (row * 131 + place) as f32 / 1024.0;
        let embeddings = (0..rows).map(|row| (0..IDENTITY.dims).map(|place| value(row, place)).collect()).collect();
        Self { number, names, embeddings }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let rows = self.names.iter().zip(&self.embeddings).map(|(name, embedding)| Row {
            image_name: name,
            person: name,
            source: name,
            file: SourceFile { size: self.number, modified_ns: 0, settled: true, digest: [0; 32] },
            bbox: BoundingBox::default(),
            score: 1.0,
            quality: 1.0,
            faces_seen: 1,
            embedding,
        });
        rows.collect()
    }

    fn publish(&self, dir: &Path) -> Result<u64, GalleryError> {
        IndexWriter::lock(dir)?.publish(&IDENTITY, &self.rows(), &[])
    }
}

/// The edition that an index holds, every byte of it checked; none when nothing was published.
fn edition_in(dir: &Path) -> Option<u64> {
    let gallery = match Gallery::open(dir, &IDENTITY, Verify::Full) {
        Ok(gallery) => gallery,
        Err(GalleryError::NoGeneration { .. }) => return None,
        Err(error) => panic!("neither the old nor the new generation: {error}"),
    };
    let number = gallery.row(0).file.size;
    let edition = Edition::new(number, gallery.rows());
    let found: Vec<_> = (0..gallery.rows()).map(|row| gallery.row(row)).collect();
    assert_eq!(found, edition.rows(), "a mixture");
    Some(number)
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Publishes without faults, and sees that nothing else is left than the two generations and the
/// files that say which is which.
fn publish_cleanly(dir: &Path) {
    let before = current_generation(dir).unwrap();
    let edition = Edition::new(99, 2);
    let generation = edition.publish(dir).unwrap_or_else(|e| panic!("the next publication: {e}"));
    assert_eq!(edition_in(dir), Some(edition.number));
    let kept = before.into_iter().chain([generation]).map(|generation| format!("gallery.{generation}.idx"));
    let mut expected: Vec<String> = ["CURRENT".into(), "LOCK".into()].into_iter().chain(kept).collect();
    expected.sort();
    assert_eq!(names_in(dir), expected);
}

/// A folder in memory where there is such a thing: these tests wait for the disk thousands of times,
/// and ask nothing of it that memory cannot answer.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// This binary as the writer of an index.
fn writer(index: &Path, rows: usize) -> Command {
    let mut writer = Command::new(env::current_exe().unwrap());
    writer.args(["--exact", "the_writer", "--ignored", "--nocapture", "--test-threads=1"]);
    writer.env(INDEX, index).env(ROWS, rows.to_string());
    writer
}

#[test]
#[ignore = "the others run it, in a process of its own"]
fn the_writer() {
    let Some(index) = env::var_os(INDEX).map(PathBuf::from) else { return };
    let rows = env::var(ROWS).unwrap().parse().unwrap();
    let endless = env::var_os(ENDLESS).is_some();
    let mut edition = if endless { edition_in(&index).unwrap_or(0) } else { 1 };
    let code = loop {
        edition += 1;
        match Edition::new(edition, rows).publish(&index) {
            Ok(_) if endless => println!("published {edition}"),
            Ok(_) => break 0,
            Err(error) => {
                eprintln!("{error}");
                break if matches!(error, GalleryError::NotDurable { .. }) { NOT_DURABLE } else { FAILED };
            }
        }
    };
    std::process::exit(code);
}

/// An index before the writer comes, and what the writer publishes there.
struct Scenario {
    name: &'static str,
    /// Edition that the index holds before.
    old: Option<u64>,
    /// Rows of edition 2, which the writer publishes.
    rows: usize,
    prepare: fn(&Path),
}

/// Nothing is there, not even the folder. An index with two generations, and what writers that died
/// left. A gallery of more than one write.
const SCENARIOS: [Scenario; 3] = [
    Scenario { name: "first publication", old: None, rows: 3, prepare: |_| {} },
    Scenario { name: "next publication", old: Some(1), rows: 3, prepare: two_generations_and_leftovers },
    Scenario { name: "large publication", old: Some(1), rows: 2500, prepare: one_generation },
];

fn one_generation(index: &Path) {
    Edition::new(1, 3).publish(index).unwrap();
}

fn two_generations_and_leftovers(index: &Path) {
    Edition::new(0, 3).publish(index).unwrap();
    Edition::new(1, 3).publish(index).unwrap();
    for leftover in ["gallery.2.idx.tmp", "gallery.3.idx", "gallery.4.idx.tmp", "CURRENT.tmp"] {
        fs::write(index.join(leftover), "half").unwrap();
    }
}

impl Scenario {
    /// A folder with the index in it, and every path that a publication may touch.
    fn index(&self) -> (TempDir, PathBuf, Vec<PathBuf>) {
        let folder = folder();
        let index = folder.path().canonicalize().unwrap().join("index");
        (self.prepare)(&index);
        let generations = (1..=6).map(|generation| format!("gallery.{generation}.idx"));
        let finished = generations.chain(["CURRENT".into()]);
        let names = finished.flat_map(|name| [format!("{name}.tmp"), name]).chain(["LOCK".into()]);
        let above = index.parent().unwrap().to_owned();
        let paths = names.map(|name| index.join(name)).chain([index.clone(), above]).collect();
        (folder, index, paths)
    }

    /// Every system call of an undisturbed publication.
    fn calls(&self) -> Vec<(SystemCall, String)> {
        self.calls_and_folder_above().0
    }

    /// As above, and the name of the folder that the index is in.
    fn calls_and_folder_above(&self) -> (Vec<(SystemCall, String)>, String) {
        let (_folder, index, paths) = self.index();
        let above = index.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let calls = strace::trace(&paths, &writer(&index, self.rows));
        assert_eq!(edition_in(&index), Some(2));
        for name in ["openat", "write", "fsync", "rename", "flock", "ftruncate"] {
            assert!(calls.iter().any(|(call, _)| call.name == name), "no {name} in {calls:#?}");
        }
        (calls, above)
    }

    /// Publishes with a fault, and tells what became of the writer and of the index.
    fn publish_with_fault(&self, call: &SystemCall, fault: Fault) -> (ExitStatus, Option<u64>) {
        let (_folder, index, paths) = self.index();
        let status = strace::run_with_fault(&paths, &writer(&index, self.rows), call, fault);
        let edition = edition_in(&index);
        assert!(edition == self.old || edition == Some(2), "edition {edition:?}, neither the old nor the new one");
        publish_cleanly(&index);
        (status, edition)
    }
}

/// A fault in a scenario.
struct Case<'a> {
    scenario: &'a Scenario,
    call: &'a SystemCall,
    /// As strace prints it.
    printed: &'a str,
    fault: Fault,
}

impl Case<'_> {
    fn run(&self) -> (ExitStatus, Option<u64>) {
        let run = || self.scenario.publish_with_fault(self.call, self.fault);
        catch_unwind(run).unwrap_or_else(|_| panic!("the panic above came of {self:?}"))
    }
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, call, printed, fault } = self;
        write!(f, "{}: {fault} at {} {}: {printed}", scenario.name, call.name, call.occurrence)
    }
}

#[test]
fn a_writer_may_die_at_any_system_call() {
    if !strace::available("a_writer_may_die_at_any_system_call") {
        return;
    }
    for scenario in &SCENARIOS {
        let calls = scenario.calls();
        let cases: Vec<Case<'_>> =
            calls.iter().map(|(call, printed)| Case { scenario, call, printed, fault: Fault::Kill }).collect();
        let editions: Vec<Option<u64>> = cases
            .par_iter()
            .map(|case| {
                let (status, edition) = case.run();
                assert_eq!(status.signal(), Some(9), "{case:?}: was not killed but ended with {status}");
                edition
            })
            .collect();
        let new = editions.iter().filter(|edition| **edition == Some(2)).count();
        println!("{}: killed at each of {} system calls: {new} times the new one", scenario.name, editions.len());
        assert!(0 < new && new < editions.len(), "kills before and after the change of generation");
    }
}

/// A disk that is full stays full.
const FAULTS: [Fault; 4] =
    [Fault::Error("ENOSPC"), Fault::Error("EIO"), Fault::Error("EPERM"), Fault::ErrorFromThenOn("ENOSPC")];

#[test]
fn every_system_call_may_fail() {
    if !strace::available("every_system_call_may_fail") {
        return;
    }
    for scenario in &SCENARIOS {
        let calls = scenario.calls();
        let cases: Vec<Case<'_>> = calls
            .iter()
            .flat_map(|(call, printed)| FAULTS.map(|fault| Case { scenario, call, printed, fault }))
            .collect();
        let codes: Vec<i32> = cases
            .par_iter()
            .map(|case| {
                let (status, edition) = case.run();
                let code = status.code().unwrap_or_else(|| panic!("{case:?}: {status}"));
                let expected = match code {
                    FAILED => scenario.old,
                    // The standard library takes it for a bug of its caller.
                    PANICKED if case.call.name == "close" => edition,
                    0 | NOT_DURABLE => Some(2),
                    _ => panic!("{case:?}: {status}"),
                };
                assert_eq!(edition, expected, "{case:?}: the writer said {code}");
                code
            })
            .collect();
        let count = |code| codes.iter().filter(|found| **found == code).count();
        println!(
            "{}: {} system calls failed in {} ways: {} publications failed, {} were not durable, {} did not mind",
            scenario.name,
            calls.len(),
            FAULTS.len(),
            count(FAILED),
            count(NOT_DURABLE),
            count(0),
        );
        // Opening and syncing the folder after CURRENT took its name.
        assert_eq!(count(NOT_DURABLE), 2 * FAULTS.len());
        for (case, code) in cases.iter().zip(&codes) {
            let must_matter = ["write", "fsync", "ftruncate", "rename", "mkdir"].contains(&&*case.call.name);
            assert!(*code != 0 || !must_matter, "{case:?}: did not matter");
        }
    }
}

#[test]
fn a_writer_may_be_killed_at_any_moment() {
    const KILLS: usize = 200;
    const SEED: u64 = 20_261_125;
    println!("{KILLS} kills, seed {SEED}");
    let folder = folder();
    let index = folder.path().join("index");
    let mut random = SEED;
    let mut latest = 0;
    let (mut old, mut new) = (0, 0);
    for kill in 0..KILLS {
        let mut writer = writer(&index, 1000);
        let mut process = writer.env(ENDLESS, "").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let acknowledged =
            |line: String| line.strip_prefix("published ").map(|edition| edition.parse::<u64>().unwrap());
        latest = said.by_ref().find_map(acknowledged).unwrap_or_else(|| panic!("kill {kill}: nothing was published"));
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((random >> 33) % 10_000));
        process.kill().unwrap();
        assert_eq!(process.wait().unwrap().signal(), Some(9));
        latest = said.filter_map(acknowledged).last().unwrap_or(latest);
        match edition_in(&index) {
            Some(edition) if edition == latest => old += 1,
            Some(edition) if edition == latest + 1 => new += 1,
            edition => panic!("kill {kill}: {latest} was acknowledged, {edition:?} is there"),
        }
        let strays = names_in(&index).len();
        assert!(strays <= 6, "kill {kill}: leftovers pile up: {:?}", names_in(&index));
    }
    println!("{old} times the last acknowledged edition, {new} times the next; {latest} editions in all");
    publish_cleanly(&index);
}

#[test]
fn publications_that_fail_do_not_pile_up() {
    let folder = folder();
    let index = folder.path();
    one_generation(index);
    let writer = IndexWriter::lock(index).unwrap();
    // The generation can be written, CURRENT cannot.
    fs::create_dir(index.join("CURRENT.tmp")).unwrap();
    for _ in 0..5 {
        writer.publish(&IDENTITY, &Edition::new(2, 3).rows(), &[]).unwrap_err();
        let strays = names_in(index).iter().filter(|name| name.ends_with(".idx") && *name != "gallery.1.idx").count();
        assert!(strays <= 1, "{:?}", names_in(index));
        assert_eq!(edition_in(index), Some(1));
    }
    fs::remove_dir(index.join("CURRENT.tmp")).unwrap();
    drop(writer);
    publish_cleanly(index);
}

/// What a power cut may undo decides what must be on the disk before: the file before it takes its
/// name, the name before `CURRENT` says it, `CURRENT` before anybody is told; a new folder's name before all of it.
#[test]
fn files_are_synced_before_they_are_renamed_and_their_folder_after() {
    if !strace::available("files_are_synced_before_they_are_renamed_and_their_folder_after") {
        return;
    }
    for scenario in &SCENARIOS {
        let (calls, above) = scenario.calls_and_folder_above();
        let step = |(call, printed): &(SystemCall, String)| -> Option<String> {
            let file = |path: &str| path.rsplit('/').next().unwrap().trim_end_matches(['>', '"', ')']).to_owned();
            match &*call.name {
                "write" | "ftruncate" | "fsync" => {
                    let (_, path) = printed.split_once('<')?;
                    Some(format!("{} {}", call.name, file(path.split_once('>')?.0)))
                }
                "rename" => Some(format!("rename {}", file(printed.rsplit_once(" = ")?.0))),
                _ => None,
            }
        };
        let mut steps: Vec<String> = calls.iter().filter_map(step).collect();
        steps.retain(|step| !step.starts_with("ftruncate"));
        steps.dedup();
        let generation = if scenario.name == "next publication" { 4 } else { scenario.old.unwrap_or(0) + 1 };
        let made = (scenario.old.is_none()).then(|| format!("fsync {above}"));
        let published = [
            format!("write gallery.{generation}.idx.tmp"),
            format!("fsync gallery.{generation}.idx.tmp"),
            format!("rename gallery.{generation}.idx"),
            "fsync index".into(),
            "write CURRENT.tmp".into(),
            "fsync CURRENT.tmp".into(),
            "rename CURRENT".into(),
            "fsync index".into(),
        ];
        let expected: Vec<String> = made.into_iter().chain(published).collect();
        assert_eq!(steps, expected, "{}", scenario.name);
    }
}

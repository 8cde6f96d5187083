//! Photos that are broken, lie about themselves or are none: an answer or a typed error each.

mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use facerecog_engine::BoundingBox;
use serde::Deserialize;
use serde_json::Value;

/// Codes that say what is wrong with a photo. Any other would say that the program is at fault.
const CODES: [&str; 5] = ["empty_file", "file_too_large", "too_many_pixels", "unknown_format", "broken_image"];

/// Each photo under work takes memory of its own; this many are at work at once.
const THREADS: &str = "2";

const MOST_MEMORY_KIB: u64 = 1536 * 1024;

#[test]
fn every_file_has_an_answer_or_a_typed_error() {
    let Some(shared) = support::shared("every_file_has_an_answer_or_a_typed_error") else { return };
    let mut files = Vec::new();
    collect_files(&shared.join("data/hostile"), &mut files);
    files.sort();
    assert!(files.len() >= 300);

    for pack in ["builtin", "fast"] {
        let dir = tempfile::tempdir().unwrap();
        let complaints = dir.path().join("complaints");
        let mut process = support::recognizer()
            .args(["--json", "--pack", pack, "--threads", THREADS, "--models"])
            .arg(shared.join("models"))
            .args(["identify", "--known"])
            .arg(support::repository().join("known_people"))
            .arg("--index")
            .arg(dir.path().join("index"))
            .args(&files)
            .stdout(Stdio::piped())
            .stderr(File::create(&complaints).expect("a file"))
            .spawn()
            .expect("the program starts");
        let answers = BufReader::new(process.stdout.take().expect("the pipe asked for"));
        let mut records: Vec<Value> = Vec::new();
        let mut peak_kib = 0;
        for answer in answers.lines() {
            let answer = answer.expect("a line");
            records.push(serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{answer}: {e}")));
            // The mark only rises. It is gone with the process, right after the last of the answers;
            // by then the large photos, which are in the middle, have long been answered.
            peak_kib = peak_memory_kib(process.id()).unwrap_or(peak_kib);
        }
        let status = process.wait().expect("the program ends");
        let complaints = std::fs::read_to_string(&complaints).expect("text");
        assert!(matches!(status.code(), Some(0 | 1)), "{pack}: {status}: {complaints}");
        assert!(!complaints.contains("panicked"), "{pack}: {complaints}");

        assert_eq!(records.len(), files.len(), "{pack}: {complaints}");
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (file, record) in files.iter().zip(&records) {
            assert_eq!(record["photo"].as_str(), file.to_str(), "{pack}");
            let faces = record["faces"].as_array().expect("faces");
            let outcome = if record["error"].is_null() {
                assert!(record["width"].as_u64() > Some(0) && record["height"].as_u64() > Some(0), "{pack}: {record}");
                assert!(record["image_name"].is_string(), "{pack}: {record}");
                "answered"
            } else {
                let code = record["error"]["code"].as_str().expect("a code");
                let message = record["error"]["message"].as_str().expect("a message");
                assert!(CODES.contains(&code), "{pack}: {record}");
                assert!(message.contains(&*file.to_string_lossy()), "{pack}: the message names the file: {record}");
                assert!(faces.is_empty(), "{pack}: {record}");
                code
            };
            *seen.entry(outcome).or_default() += 1;
        }
        println!("{pack}: {seen:?}, peak memory {} MiB", peak_kib / 1024);
        assert!((1..MOST_MEMORY_KIB).contains(&peak_kib), "{pack}: {peak_kib} KiB");
    }
}

#[derive(Deserialize)]
struct Turned {
    photo: String,
    faces: Vec<Face>,
}

#[derive(Deserialize)]
struct Face {
    bbox: BoundingBox,
    embedding: Vec<f32>,
}

#[test]
fn a_photo_stored_turned_shows_the_same_face() {
    let Some(shared) = support::shared("a_photo_stored_turned_shows_the_same_face") else { return };
    let stored = (1..=8).map(|orientation| shared.join(format!("data/hostile/made-here/face_exif_{orientation}.jpg")));
    let stored: Vec<PathBuf> = stored.collect();
    for pack in ["builtin", "fast"] {
        let output = support::run(
            support::recognizer()
                .args(["--json", "--pack", pack, "--models"])
                .arg(shared.join("models"))
                .arg("embed")
                .args(&stored),
        );
        assert!(output.status.success(), "{pack}: {}", support::complaints(&output));
        let turned =
            support::records(&output).into_iter().map(|record| serde_json::from_value(record).expect("a record"));
        let turned: Vec<Turned> = turned.collect();
        assert_eq!(turned.len(), stored.len());
        let [upright] = &turned[0].faces[..] else { panic!("{pack}: {} faces", turned[0].faces.len()) };
        let (mut lowest_iou, mut farthest) = (1.0_f32, 0.0_f32);
        for Turned { photo, faces } in &turned[1..] {
            let [face] = &faces[..] else { panic!("{pack}: {photo}: {} faces", faces.len()) };
            let distance = facerecog_engine::embed::distance(&face.embedding, &upright.embedding);
            let iou = face.bbox.iou(&upright.bbox);
            assert!(iou >= 0.9 && distance <= 0.1, "{pack}: {photo}: IoU {iou}, distance {distance}");
            (lowest_iou, farthest) = (lowest_iou.min(iou), farthest.max(distance));
        }
        println!("{pack}: lowest IoU {lowest_iou}, largest distance {farthest}");
    }
}

/// The most memory that a process has held so far; `None` when it has ended.
fn peak_memory_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}

fn collect_files(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() { collect_files(&path, files) } else { files.push(path) }
    }
}

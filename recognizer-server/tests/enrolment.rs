//! Enrolling a folder in which not everything is as it should be, and enrolling it again.

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// Enrols and gives the report. Photos that cannot be enrolled are no failure of the command.
fn reindex(known: &Path, index: &Path) -> Value {
    let output = support::run(support::recognizer().args(["--json", "reindex"]).arg(known).arg("--index").arg(index));
    assert!(output.status.success(), "{}: {}", output.status, support::complaints(&output));
    let mut records = support::records(&output);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

/// The report's numbers, without what differs from run to run.
fn counts(report: &Value) -> Value {
    let fields = ["photos", "embeddings", "people", "added", "unchanged", "removed", "embedded"];
    fields.iter().map(|&field| (field.to_owned(), report[field].clone())).collect::<serde_json::Map<_, _>>().into()
}

fn copy(from: &str, to: &Path) {
    fs::copy(support::repository().join(from), to).unwrap_or_else(|e| panic!("{from} to {}: {e}", to.display()));
}

#[test]
fn bad_photos_are_reported_by_name_and_the_rest_goes_in() {
    let dir = tempfile::tempdir().unwrap();
    let known = dir.path().join("known");
    for folder in ["eileen", "other"] {
        fs::create_dir_all(known.join(folder)).unwrap();
        copy("examples/astronaut.jpg", &known.join(folder).join("portrait.jpg"));
    }
    copy("known_people/obama.jpg", &known.join("obama_1.jpg"));
    copy("examples/obama2.jpg", &known.join("obama_2.jpg"));
    copy("examples/coffee.jpg", &known.join("cup.jpg"));
    fs::write(known.join("broken.jpg"), [&[0xff, 0xd8, 0xff, 0xe0][..], &[7; 5000]].concat()).unwrap();

    let report = reindex(&known, &dir.path().join("index"));
    let expected = json!({
        "photos": 6, "embeddings": 3, "people": 2, "added": 3, "unchanged": 0, "removed": 0, "embedded": 5,
    });
    assert_eq!(counts(&report), expected, "{report}");

    let skipped = report["skipped"].as_array().expect("skipped");
    let reasons: Vec<_> = skipped.iter().map(|entry| (entry["photo"].as_str(), entry["code"].as_str())).collect();
    let expected = [
        (Some("broken.jpg"), Some("broken_image")),
        (Some("cup.jpg"), Some("no_face")),
        (Some("other/portrait.jpg"), Some("duplicate_name")),
    ];
    assert_eq!(reasons, expected, "{report}");
    let duplicate = skipped[2]["message"].as_str().expect("message");
    assert!(duplicate.contains("eileen/portrait.jpg"), "the other of the two is named: {duplicate}");
}

#[test]
fn enrolling_again_touches_what_changed_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (known, index) = (dir.path().join("known"), dir.path().join("index"));
    fs::create_dir(&known).unwrap();
    copy("known_people/obama.jpg", &known.join("obama.jpg"));
    copy("known_people/biden.jpg", &known.join("biden.jpg"));
    copy("examples/coffee.jpg", &known.join("cup.jpg"));
    let enrol = || {
        let report = reindex(&known, &index);
        println!("{} s: {}", report["seconds"], counts(&report));
        (counts(&report), report["generation"].clone())
    };

    let (first, generation) = enrol();
    let expected = json!({
        "photos": 3, "embeddings": 2, "people": 2, "added": 2, "unchanged": 0, "removed": 0, "embedded": 3,
    });
    assert_eq!(first, expected);

    // Nothing is decoded again, not even the photo that was refused, and nothing is written.
    let (again, same_generation) = enrol();
    let expected = json!({
        "photos": 3, "embeddings": 2, "people": 2, "added": 0, "unchanged": 2, "removed": 0, "embedded": 0,
    });
    assert_eq!(again, expected);
    assert_eq!(same_generation, generation);

    copy("examples/astronaut.jpg", &known.join("eileen.jpg"));
    let expected = json!({
        "photos": 4, "embeddings": 3, "people": 3, "added": 1, "unchanged": 2, "removed": 0, "embedded": 1,
    });
    assert_eq!(enrol().0, expected, "a photo is added");

    copy("examples/obama3.jpg", &known.join("obama.jpg"));
    let expected = json!({
        "photos": 4, "embeddings": 3, "people": 3, "added": 1, "unchanged": 2, "removed": 0, "embedded": 1,
    });
    assert_eq!(enrol().0, expected, "a photo is replaced");

    fs::remove_file(known.join("biden.jpg")).unwrap();
    let expected = json!({
        "photos": 3, "embeddings": 2, "people": 2, "added": 0, "unchanged": 2, "removed": 1, "embedded": 0,
    });
    assert_eq!(enrol().0, expected, "a photo is removed");
}

#[test]
fn a_photo_of_somebody_else_is_reported_and_left_out_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (known, index) = (dir.path().join("known"), dir.path().join("index"));
    fs::create_dir(&known).unwrap();
    copy("known_people/obama.jpg", &known.join("obama_1.jpg"));
    copy("examples/obama2.jpg", &known.join("obama_2.jpg"));
    copy("examples/astronaut.jpg", &known.join("obama_3.jpg"));
    let notes = |report: &Value, what: &str| -> Vec<Value> {
        report[what].as_array().unwrap().iter().map(|note| json!([note["photo"], note["code"]])).collect()
    };
    let stranger = [json!(["obama_3.jpg", "unlike_the_person"])];
    let report = reindex(&known, &index);
    assert_eq!((&report["embeddings"], notes(&report, "warnings")), (&json!(3), stranger.to_vec()));

    let mut command = support::recognizer();
    command.args(["--json", "reindex", "--reject-outliers"]).arg(&known).arg("--index").arg(&index);
    let report = support::records(&support::run(&mut command)).remove(0);
    assert_eq!((&report["embeddings"], notes(&report, "skipped")), (&json!(2), stranger.to_vec()));
    assert_eq!((&report["embedded"], notes(&report, "warnings")), (&json!(0), vec![]));
}

/// A JPEG file's picture with a comment: in other bytes the same.
fn with_comment(jpeg: &[u8], comment: &str) -> Vec<u8> {
    let length = u16::try_from(comment.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], b"\xff\xfe", &length, comment.as_bytes(), &jpeg[2..]].concat()
}

#[test]
fn a_killed_enrolment_goes_on_where_it_ended() {
    const PHOTOS: u64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let (known, index) = (dir.path().join("known"), dir.path().join("index"));
    fs::create_dir(&known).unwrap();
    for (number, name) in ["obama2", "obama3", "astronaut", "coffee"].iter().cycle().take(PHOTOS as usize).enumerate() {
        let photo = fs::read(support::repository().join("examples").join(format!("{name}.jpg"))).unwrap();
        fs::write(known.join(format!("{name}_{number}.jpg")), with_comment(&photo, &number.to_string())).unwrap();
    }
    let journal = index.join("ENROLMENT");
    let length = || fs::metadata(&journal).map_or(0, |metadata| metadata.len());
    for _ in 0..2 {
        let before = length();
        let mut process = support::recognizer().arg("reindex").arg(&known).arg("--index").arg(&index).spawn().unwrap();
        // More than five photos.
        while length() < before + 3_000 && process.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(!index.join("CURRENT").exists(), "it was over before it was killed");
    }
    let report = reindex(&known, &index);
    let (resumed, embedded) = (report["resumed"].as_u64().unwrap(), report["embedded"].as_u64().unwrap());
    assert!(resumed >= 10, "{resumed} resumed");
    assert_eq!(resumed + embedded, PHOTOS);
    assert_eq!((&report["embeddings"], &report["generation"]), (&json!(30), &json!(1)));
    assert!(!journal.exists());
    assert_eq!(reindex(&known, &index)["embedded"], 0);
}

#[test]
fn progress_is_for_people_at_a_terminal_alone() {
    let dir = tempfile::tempdir().unwrap();
    for json in [true, false] {
        let mut command = support::recognizer();
        command.args(if json { &["--json"][..] } else { &[] }).arg("reindex");
        command.arg(support::repository().join("known_people")).arg("--index").arg(dir.path().join("index"));
        let output = support::run(&mut command);
        assert!(output.status.success());
        assert_eq!(support::complaints(&output), "", "json: {json}");
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}

#[test]
fn photos_of_low_quality_are_warned_of_and_left_out_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (known, index) = (dir.path().join("known"), dir.path().join("index"));
    fs::create_dir(&known).unwrap();
    copy("known_people/obama.jpg", &known.join("obama.jpg"));
    let biden = image::open(support::repository().join("known_people/biden.jpg")).unwrap();
    biden.fast_blur(biden.width() as f32 / 40.0).save(known.join("biden.png")).unwrap();

    let report = reindex(&known, &index);
    assert_eq!(report["embeddings"], 2, "{report}");
    let warning = &report["warnings"][0];
    assert_eq!((&warning["photo"], &warning["code"]), (&"biden.png".into(), &"low_quality".into()), "{report}");
    let message = warning["message"].as_str().unwrap();
    assert!(message.starts_with("the face is blurred: quality 0.0"), "{message}");

    let with = |quality: &str| {
        support::run(
            support::recognizer()
                .args(["--json", "reindex", "--min-quality", quality])
                .arg(&known)
                .arg("--index")
                .arg(&index),
        )
    };
    let report = support::records(&with("0.1")).remove(0);
    assert_eq!((&report["embeddings"], &report["skipped"][0]["photo"]), (&1.into(), &"biden.png".into()), "{report}");
    assert_eq!(report["skipped"][0]["code"], "low_quality");
    // Without the option nothing is left out, and what was comes back.
    assert_eq!(reindex(&known, &index)["embeddings"], 2);
    assert_eq!(with("1.5").status.code(), Some(2));

    // What the index keeps is what is said of the photo.
    let listed = support::run(support::recognizer().args(["--json", "index", "list", "--index"]).arg(&index));
    let listed = support::records(&listed);
    let row = listed.iter().find(|row| row["image_name"] == "biden.png").expect("it is enrolled");
    let detected = support::run(support::recognizer().args(["--json", "detect"]).arg(known.join("biden.png")));
    let face = &support::records(&detected)[0]["faces"][0];
    assert_eq!(row["quality"], face["quality"], "{row} {face}");
    let factors = face["quality_factors"].as_object().expect("factors");
    let product: f64 = factors.values().map(|factor| factor.as_f64().unwrap()).product();
    assert!((product - face["quality"].as_f64().unwrap()).abs() < 1e-6, "{face}");
}

//! `recognizer eval` on photos in the public domain: what it prints, and its reports in a browser.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A name that would be markup if it were not escaped; and a folder of this name.
const HOSTILE: &str = "<img src=x onerror=alert(1)> \"&'";

/// Faces of the examples as an eye sees them: x, y, width, height.
const BOXES: [(&str, &[[u32; 4]]); 5] = [
    ("astronaut.jpg", &[[178, 60, 95, 122]]),
    ("chelsea.png", &[]),
    ("coffee.jpg", &[]),
    ("group.jpg", &[[835, 110, 225, 300], [250, 140, 200, 245], [1510, 115, 185, 225]]),
    ("obama2.jpg", &[[200, 205, 290, 385]]),
];

/// The answer of `recognizer --json eval …`.
fn eval(arguments: &[&str], paths: &[&Path]) -> Value {
    let output = support::run(support::recognizer().args(["--json", "eval"]).args(arguments).args(paths));
    assert!(output.status.success(), "{arguments:?}: {}", support::complaints(&output));
    support::records(&output).remove(0)
}

/// Photos of three people and a list of each kind.
fn photos(dir: &Path) {
    let repository = support::repository();
    for (from, to) in [
        ("known_people/obama.jpg", "obama.jpg"),
        ("known_people/biden.jpg", "biden.jpg"),
        ("examples/obama2.jpg", "obama2.jpg"),
        ("examples/obama3.jpg", "obama3.jpg"),
        ("examples/astronaut.jpg", "astronaut.jpg"),
        ("examples/astronaut.jpg", HOSTILE),
        ("examples/chelsea.png", "chelsea.png"),
    ] {
        fs::copy(repository.join(from), dir.join(to)).unwrap();
    }
    let hostile = HOSTILE.replace('"', "\"\"");
    let people = |astronaut: &str| {
        format!(
            "role,person,image,group\n\
             gallery,Barack Obama,obama.jpg,\ngallery,Joe Biden,biden.jpg,\n\
             probe,Barack Obama,obama2.jpg,outside\nprobe,Barack Obama,obama3.jpg,inside\n\
             probe,{astronaut}\nprobe,a cat,chelsea.png,outside\n"
        )
    };
    fs::write(dir.join("people.csv"), people("Eileen Collins,astronaut.jpg,inside")).unwrap();
    let astronaut = format!("\"{hostile}\",\"{hostile}\",\"{hostile}\"");
    fs::write(dir.join("hostile.csv"), people(&astronaut)).unwrap();
    let pairs = format!(
        "fold,same,image_a,image_b,group\n\
         0,1,obama.jpg,obama2.jpg,one\n0,0,obama.jpg,biden.jpg,one\n\
         1,1,obama2.jpg,obama3.jpg,\"{hostile}\"\n1,0,biden.jpg,\"{hostile}\",\"{hostile}\"\n"
    );
    fs::write(dir.join("pairs.csv"), pairs).unwrap();
}

fn boxes(dir: &Path) -> PathBuf {
    let mut text = "image,x,y,width,height\n".to_owned();
    for (photo, faces) in BOXES {
        for [x, y, width, height] in faces {
            text += &format!("{photo},{x},{y},{width},{height}\n");
        }
        if faces.is_empty() {
            text += &format!("{photo},,,,\n");
        }
    }
    let path = dir.join("boxes.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn people_are_identified_and_strangers_are_not() {
    let dir = tempfile::tempdir().unwrap();
    photos(dir.path());
    let list = dir.path().join("people.csv");
    let found = eval(&["identification"], &[&list]);
    assert_eq!((&found["gallery"], &found["probes"]), (&2.into(), &4.into()));
    assert_eq!(found["rank1"], 1.0);
    assert_eq!(found["dir_at_far"], serde_json::json!({"1e-2": 1.0, "1e-3": 1.0}));
    assert_eq!((&found["false_match_rate"]["mean"], &found["miss_rate"]["mean"]), (&0.0.into(), &0.0.into()));
    // Two strangers tell little: the interval says so.
    assert!(found["false_match_rate"]["high"].as_f64().unwrap() > 0.5, "{found}");
    let stated = found["stated_false_match_rate"].as_f64().unwrap();
    assert!((stated - 2e-4).abs() < 2e-5, "1e-4 for each of two known photos: {stated}");
    let groups: Vec<&str> = found["groups"].as_array().unwrap().iter().map(|g| g["group"].as_str().unwrap()).collect();
    assert_eq!(groups, ["inside", "outside"]);

    // Without a column of groups the answer has exactly these keys.
    let without = fs::read_to_string(&list).unwrap().replace("person,image,group", "person,image,x");
    fs::write(&list, without).unwrap();
    let found = eval(&["identification"], &[&list]);
    let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
    let wanted =
        ["dir_at_far", "false_match_rate", "gallery", "miss_rate", "probes", "rank1", "stated_false_match_rate"];
    assert_eq!(keys, wanted);

    // A threshold that takes everybody for somebody, and one that nobody reaches.
    let lenient = eval(&["identification", "--threshold", "9"], &[&list]);
    assert_eq!(lenient["stated_false_match_rate"], Value::Null);
    // The cat has no face to be taken for somebody.
    assert_eq!(lenient["false_match_rate"]["mean"], 0.5);
    let strict = eval(&["identification", "--threshold", "0.01"], &[&list]);
    assert_eq!(strict["miss_rate"]["mean"], 1.0);
}

#[test]
fn decisions_follow_their_options() {
    let repository = support::repository();
    let [a, b] = ["known_people/obama.jpg", "examples/obama2.jpg"].map(|photo| repository.join(photo));
    let verify = |arguments: &[&str]| {
        let output = support::run(support::recognizer().args(["--json", "verify"]).args(arguments).args([&a, &b]));
        assert!(output.status.success(), "{}", support::complaints(&output));
        support::records(&output).remove(0)
    };
    let threshold = |arguments: &[&str]| verify(arguments)["threshold"].as_f64().unwrap();
    assert_eq!(verify(&[])["same"], true);
    assert_eq!(verify(&["--threshold", "0.1"])["same"], false);
    assert!((threshold(&["--threshold", "0.123"]) - 0.123).abs() < 1e-6);
    let (lenient, strict) = (threshold(&["--fmr", "1e-2"]), threshold(&["--fmr", "1e-5"]));
    assert!(strict < threshold(&[]) && threshold(&[]) < lenient, "{strict} {lenient}");
    assert_eq!(threshold(&["--fmr", "1e-2", "--threshold", "0.1"]), threshold(&["--threshold", "0.1"]));
    for wrong in [["--fmr", "1e-12"], ["--fmr", "1"], ["--threshold", "-1"]] {
        let output = support::run(support::recognizer().arg("verify").args(wrong).args([&a, &b]));
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn found_faces_agree_with_scikit_learn() {
    let dir = tempfile::tempdir().unwrap();
    let (boxes, examples) = (boxes(dir.path()), support::repository().join("examples"));
    let found = eval(&["detection", "--root"], &[&examples, &boxes]);
    let photos: Vec<PathBuf> = BOXES.iter().map(|(photo, _)| examples.join(photo)).collect();
    let detected = support::run(support::recognizer().args(["--json", "detect", "--min-score", "0.2"]).args(&photos));
    let faces = dir.path().join("faces.jsonl");
    fs::write(&faces, &detected.stdout).unwrap();
    let mut script = support::peers::script("eval_metrics.py");
    let min_score = found["min_score"].as_f64().unwrap().to_string();
    script.arg("detection").args([&faces, &boxes, &examples]).arg(min_score);
    let expected: Value = serde_json::from_slice(&support::peers::output_of(&mut script)).unwrap();
    for key in ["average_precision", "precision", "recall", "false_faces"] {
        let (ours, theirs) = (found[key]["mean"].as_f64().unwrap(), expected[key].as_f64().unwrap());
        assert!((ours - theirs).abs() < 1e-9, "{key}: {ours} is not {theirs}");
    }
    assert_eq!((&found["faces"], &found["photos_without_faces"]), (&5.into(), &2.into()));
    assert!(found["recall"]["mean"].as_f64().unwrap() > 0.7, "{found}");
}

#[test]
fn the_worst_photos_are_rejected_first() {
    let dir = tempfile::tempdir().unwrap();
    let repository = support::repository();
    for (from, blurred, to) in [
        ("known_people/obama.jpg", false, "obama.png"),
        ("examples/obama2.jpg", false, "obama2.png"),
        ("examples/obama3.jpg", true, "blurred.png"),
        ("known_people/biden.jpg", false, "biden.png"),
    ] {
        let photo = image::open(repository.join(from)).unwrap();
        let photo = if blurred { photo.fast_blur(photo.width() as f32 / 70.0) } else { photo };
        photo.save(dir.path().join(to)).unwrap();
    }
    fs::copy(repository.join("examples/coffee.jpg"), dir.path().join("cup.jpg")).unwrap();
    let list = dir.path().join("pairs.csv");
    let pairs = "fold,same,image_a,image_b\n0,1,obama.png,obama2.png\n0,1,obama.png,blurred.png\n\
                 0,0,obama.png,biden.png\n0,1,obama.png,cup.jpg\n";
    fs::write(&list, pairs).unwrap();
    let scores = dir.path().join("scores.csv");
    let found = eval(&["quality", "--scores"], &[&scores, &list]);
    assert_eq!((&found["pairs"], &found["pairs_without_face"]), (&2.into(), &1.into()), "{found}");
    let rows = fs::read_to_string(&scores).unwrap();
    let rows: Vec<Vec<&str>> = rows.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["image_a", "image_b", "distance", "missed", "quality", "detector_score"]);
    let quality = |row: usize| rows[row][4].parse::<f64>().unwrap();
    assert!(quality(2) < 0.5 * quality(1), "{rows:?}");
    // A threshold between both distances: the blurred one is missed, and is the first to go.
    let distance = |row: usize| rows[row][2].parse::<f64>().unwrap();
    assert!(distance(1) < distance(2), "{rows:?}");
    let between = ((distance(1) + distance(2)) / 2.0).to_string();
    let found = eval(&["quality", "--threshold", &between], &[&list]);
    assert_eq!((&found["curve"][0]["miss_rate"], &found["curve"][0]["ideal"]), (&0.5.into(), &0.5.into()));
    assert_eq!((&found["judges"][0]["judge"], &found["judges"][0]["gain"]), (&"quality".into(), &1.0.into()));
    assert!((found["curve"][6]["miss_rate"].as_f64().unwrap() - 0.2 / 0.7).abs() < 1e-9, "{found}");
    // Nothing is missed, so that nothing can be gained.
    let found = eval(&["quality", "--threshold", "9"], &[&list]);
    assert_eq!(found["judges"][0]["gain"], Value::Null);
    let strangers = dir.path().join("strangers.csv");
    fs::write(&strangers, "fold,same,image_a,image_b\n0,0,obama.png,biden.png\n").unwrap();
    let output = support::run(support::recognizer().args(["eval", "quality"]).arg(&strangers));
    assert_eq!(output.status.code(), Some(2));
    assert!(support::complaints(&output).contains("no pair of one person"), "{}", support::complaints(&output));
}

#[test]
fn reports_need_nothing_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    photos(dir.path());
    let of = |name: &str| dir.path().join(name);
    let boxes = boxes(dir.path());
    let examples = support::repository().join("examples");
    let reports =
        ["identification", "verification", "detection", "hostile", "quality"].map(|name| of(&format!("{name}.html")));
    eval(&["identification", "--html"], &[&reports[0], &of("people.csv")]);
    eval(&["identification", "--html"], &[&reports[3], &of("hostile.csv")]);
    eval(&["verification", "--html"], &[&reports[1], &of("pairs.csv")]);
    eval(&["quality", "--html"], &[&reports[4], &of("pairs.csv")]);
    eval(&["detection", "--html"], &[&reports[2], &boxes, Path::new("--root"), &examples]);

    let tests = support::repository().join("tests/browser");
    let printed = |command: &mut Command| {
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    };
    let Some(chromium) = printed(&mut Command::new(tests.join("chromium.sh"))) else {
        println!("skipped: there is no Chromium, and it cannot be installed");
        return;
    };
    let venv = support::repository().join("tests/peers/venv.sh");
    let python = printed(Command::new(venv).arg(&tests).arg("browser-venv")).expect("a Python environment");
    let mut look = Command::new(python);
    look.arg(tests.join("report.py")).args(["--chromium", &chromium]);
    // Where to save what the documentation shows.
    if let Some(picture) = std::env::var_os("FACERECOG_REPORT_PICTURE") {
        look.arg("--picture").arg(picture);
    }
    assert_eq!(printed(look.args(&reports)).as_deref(), Some("ok"));
    // Names are there as text.
    let text = fs::read_to_string(&reports[3]).unwrap();
    assert!(text.contains("&#60;img src=x onerror=alert(1)&#62;") && !text.contains("<img src=x"), "not escaped");
}

#[test]
fn what_cannot_be_measured_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let people = dir.path().join("people.csv");
    fs::write(&people, "role,person,image\ngallery,ada,nowhere.jpg\nprobe,ada,nowhere.jpg\n").unwrap();
    let refused = |arguments: &[&str], says: &str| {
        let output = support::run(support::recognizer().args(["eval"]).args(arguments));
        assert!(!output.status.success(), "{arguments:?}");
        assert!(support::complaints(&output).contains(says), "{arguments:?}: {}", support::complaints(&output));
    };
    refused(&["identification", people.to_str().unwrap()], "nowhere.jpg");
    refused(&["identification", "nowhere.csv"], "role,person,image");
    refused(&["detection", people.to_str().unwrap()], "image,x,y,width,height");
    let of_few = ["calibrate", dir.path().to_str().unwrap(), "--data", "few", "--date", "2026-01-02"];
    refused(&of_few, "at least two people");
    refused(&["calibrate", ".", "--data", "x", "--date", "yesterday"], "a day as");
}

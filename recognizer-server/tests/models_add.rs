//! `models add`: embedders and detectors that people bring, as packs. Their weights are random.

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

/// A models folder and a folder of files to add to it.
struct Workplace {
    models: tempfile::TempDir,
    files: tempfile::TempDir,
}

impl Workplace {
    fn new() -> Self {
        Self { models: tempfile::tempdir().unwrap(), files: tempfile::tempdir().unwrap() }
    }

    /// A network of random weights.
    fn made(&self, name: &str) -> PathBuf {
        let mut script = support::peers::script("../../benches/compare/shapes.py");
        let printed = support::peers::output_of(script.arg(name).arg(self.files.path()));
        PathBuf::from(String::from_utf8(printed).expect("a path in UTF-8").trim_end())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.files.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = support::recognizer();
        command.arg("--json").arg("--models").arg(self.models.path()).args(arguments);
        support::run(command.current_dir(support::repository()))
    }

    fn add(&self, file: &Path, arguments: &[&str]) -> Output {
        self.run(&[&["models", "add", file.to_str().unwrap()], arguments].concat())
    }

    fn added(&self, file: &Path, arguments: &[&str]) -> Value {
        let output = self.add(file, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", support::complaints(&output));
        support::records(&output).remove(0)
    }

    fn refused(&self, file: &Path, arguments: &[&str], says: &[&str]) {
        let before = self.everything();
        let output = self.add(file, arguments);
        let complaints = support::complaints(&output);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {complaints}");
        for part in says {
            assert!(complaints.contains(part), "{arguments:?}: {part:?} is not in: {complaints}");
        }
        assert!(!complaints.contains("panicked"), "{complaints}");
        assert_eq!(self.everything(), before, "{arguments:?} left something behind");
    }

    /// Names and contents in the models folder.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(self.models.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.retain(|(path, _)| path.extension().is_none_or(|extension| extension != "lock"));
        files.sort();
        files
    }

    fn manifest(&self) -> String {
        fs::read_to_string(self.models.path().join("manifest.toml")).unwrap()
    }
}

/// Lines of JSON of a command that succeeds.
fn answers(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", support::complaints(output));
    support::records(output)
}

#[test]
fn sface_becomes_a_pack_whose_embeddings_are_those_of_opencv() {
    let workplace = Workplace::new();
    let file = workplace.made("sface");
    let record = workplace.added(&file, &["--kind", "sface", "--pack", "my-sface", "--detector", "builtin"]);
    assert_eq!(
        (&record["pack"], &record["dims"], &record["input_side"]),
        (&json!("my-sface"), &json!(128), &json!(112))
    );
    assert_eq!((&record["run_by"], &record["licence"]), (&json!("kernels"), &json!("Apache-2.0")));
    assert_eq!((&record["measured"], &record["threshold"]), (&json!(false), &json!(1.128)));
    assert!(record["difference"].as_f64().unwrap() < 1e-4, "{record}");
    assert!(record["next"].as_str().unwrap().starts_with("recognizer --pack my-sface eval calibrate"), "{record}");
    assert_eq!(fs::read(workplace.models.path().join("sface.onnx")).unwrap(), fs::read(&file).unwrap());
    as_opencv(&workplace, "sface", &file, "my-sface");

    let verified =
        answers(&workplace.run(&["--pack", "my-sface", "verify", "known_people/obama.jpg", "examples/obama2.jpg"]));
    assert_eq!(verified[0]["threshold"], json!(1.128));
    let index = workplace.models.path().join("index");
    let index = ["--known", "known_people", "--index", index.to_str().unwrap()];
    let identified =
        answers(&workplace.run(&[&["--pack", "my-sface", "identify", "known_people/obama.jpg"], &index[..]].concat()));
    // The same photo, whatever the weights are.
    let found = &identified[0]["faces"][0]["match"];
    assert_eq!(found["person"], "obama");
    assert!(found["distance"].as_f64().unwrap() < 1e-3, "{found}");
}

#[test]
fn arcface_becomes_a_pack_whose_embeddings_are_those_of_insightface() {
    let workplace = Workplace::new();
    let file = workplace.made("arcface-r18");
    let record = workplace.added(&file, &["--template", "arcface-112", "--licence", "MIT", "--source", "a seed"]);
    // Named as the file; none of the fast pack's files is here.
    assert_eq!((&record["pack"], &record["dims"]), (&json!("arcface-r18"), &json!(512)));
    assert_eq!((&record["detector"], &record["licence"]), (&json!("pack builtin"), &json!("MIT")));
    as_opencv(&workplace, "arcface", &file, "arcface-r18");
}

/// What OpenCV aligned, and what it made of it.
#[derive(Deserialize)]
struct Answer {
    crop: String,
    embedding: Vec<f64>,
}

/// Holds embeddings of photos' largest faces against those that OpenCV and ONNX Runtime make of the same landmarks.
fn as_opencv(workplace: &Workplace, kind: &str, file: &Path, pack: &str) {
    let photos = ["known_people/obama.jpg", "known_people/biden.jpg", "examples/obama3.jpg", "examples/astronaut.jpg"];
    let ours = answers(&workplace.run(&[&["--pack", pack, "embed"], &photos[..]].concat()));
    let asked: Vec<Value> = ours
        .iter()
        .map(|record| {
            let photo = support::repository().join(record["photo"].as_str().unwrap());
            json!({"photo": photo, "landmarks": record["faces"][0]["landmarks"]})
        })
        .collect();
    let mut script = support::peers::script("embedder_opencv.py");
    script.arg(kind).arg(file).arg(workplace.files.path());
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json!(asked).to_string().as_bytes()).unwrap();
    let printed = child.wait_with_output().unwrap();
    assert!(printed.status.success());
    let theirs: Vec<Answer> = serde_json::from_slice(&printed.stdout).expect("the script prints JSON");
    assert_eq!(theirs.len(), photos.len());
    let crops: Vec<&str> = theirs.iter().map(|answer| answer.crop.as_str()).collect();
    let of_crops = answers(&workplace.run(&[&["--pack", pack, "embed", "--chips"], &crops[..]].concat()));
    for ((of_photo, of_crop), theirs) in ours.iter().zip(&of_crops).zip(&theirs) {
        let (photo, crop) = (cosine(of_photo, &theirs.embedding), cosine(of_crop, &theirs.embedding));
        println!("{kind}: {} cosine {photo:.5}, of OpenCV's crop {crop:.7}", of_photo["photo"]);
        assert!(crop > 0.99999, "{kind}: {crop}");
        // OpenCV interpolates in steps of 1/32 of a pixel, and random weights make much of it.
        assert!(photo > 0.97, "{kind}: {} {photo}", of_photo["photo"]);
    }
}

fn cosine(record: &Value, other: &[f64]) -> f64 {
    let embedding = record["faces"][0]["embedding"].as_array().unwrap();
    assert_eq!(embedding.len(), other.len());
    embedding.iter().zip(other).map(|(a, b)| a.as_f64().unwrap() * b).sum()
}

#[test]
fn a_detector_of_ones_own_goes_with_an_embedder_of_a_pack() {
    let workplace = Workplace::new();
    let scrfd = workplace.made("scrfd-500m-dynamic");
    let arguments = ["--pack", "scrfd-dlib", "--detector", scrfd.to_str().unwrap(), "--detector-min-score", "0.6"];
    let record = workplace.added(Path::new("builtin"), &arguments);
    assert_eq!((&record["detector"], &record["dims"]), (&json!("scrfd-500m-dynamic.onnx"), &json!(128)));
    assert!(workplace.manifest().contains("decoder = \"scrfd\""), "{}", workplace.manifest());
    let found = answers(&workplace.run(&["--pack", "scrfd-dlib", "detect", "examples/astronaut.jpg"]));
    // Random weights find something everywhere.
    assert!(!found[0]["faces"].as_array().unwrap().is_empty());

    let boxes = workplace.made("scrfd-500m-boxes");
    let detector = ["--pack", "boxes", "--detector", boxes.to_str().unwrap()];
    workplace.refused(Path::new("builtin"), &detector, &["scrfd-500m-boxes.onnx", "without landmarks", "_bnkps"]);
}

#[test]
fn what_a_manifest_has_stays_as_it_is() {
    let workplace = Workplace::new();
    let file = workplace.made("sface");
    let mine = "# My own notes.\n\n[packs.mine] # kept\ndescription = 'dlib again'\n".to_owned()
        + &facerecog_models_builtin().replace("packs.builtin", "packs.mine");
    fs::write(workplace.models.path().join("manifest.toml"), &mine).unwrap();
    workplace.added(&file, &["--kind", "sface", "--pack", "one"]);
    workplace.added(&file, &["--kind", "sface", "--pack", "two", "--threshold", "1.0"]);
    assert!(workplace.manifest().starts_with(mine.trim_end()), "{}", workplace.manifest());
    let listed = answers(&workplace.run(&["models", "list"]));
    let packs: Vec<&str> = listed.iter().map(|pack| pack["pack"].as_str().unwrap()).collect();
    assert_eq!(packs, ["builtin", "fast", "mine", "one", "two"]);
    assert!(listed.iter().all(|pack| pack["present"] == json!(pack["pack"] != "fast")));

    // Two at once lose nothing.
    std::thread::scope(|scope| {
        for name in ["three", "four", "five"] {
            let (workplace, file) = (&workplace, &file);
            scope.spawn(move || workplace.added(file, &["--kind", "sface", "--pack", name]));
        }
    });
    assert_eq!(answers(&workplace.run(&["models", "list"])).len(), 8);

    workplace.refused(&file, &["--kind", "sface", "--pack", "two"], &["\"two\" already", "--pack NAME"]);
    workplace.refused(&file, &["--kind", "sface", "--pack", "fast"], &["\"fast\" already"]);
    workplace.refused(&file, &["--kind", "sface", "--pack", "../out"], &["is no name for a pack"]);
    fs::write(workplace.models.path().join("manifest.toml"), "packs = nonsense").unwrap();
    workplace.refused(&file, &["--kind", "sface", "--pack", "six"], &["manifest.toml"]);
}

/// The tables of the pack inside the program.
fn facerecog_models_builtin() -> String {
    let manifest = fs::read_to_string(support::repository().join("models/manifest.toml")).unwrap();
    let (from, to) = (manifest.find("[packs.builtin.detector]").unwrap(), manifest.find("[packs.fast]").unwrap());
    manifest[from..to].to_owned()
}

#[test]
fn files_that_are_no_embedder_are_refused_with_the_reason() {
    let workplace = Workplace::new();
    let sface = fs::read(workplace.made("sface")).unwrap();
    let arguments = ["--kind", "sface", "--pack", "x"];
    let missing = workplace.files.path().join("missing.onnx");
    workplace.refused(&missing, &arguments, &["missing.onnx", "No such file"]);
    workplace.refused(workplace.files.path(), &arguments, &["not a regular file"]);
    workplace.refused(&workplace.file("empty.onnx", b""), &arguments, &["empty.onnx", "no ONNX file"]);
    workplace.refused(&workplace.file("photo.onnx", b"\x89PNG and more"), &arguments, &["photo.onnx", "no ONNX file"]);
    workplace.refused(
        &workplace.file("cut.onnx", &sface[..sface.len() / 2]),
        &arguments,
        &["cut.onnx", "a part of one"],
    );
    workplace.refused(
        &support::repository().join("models/mtcnn_rnet.onnx"),
        &arguments,
        &["mtcnn_rnet.onnx", "[?, 3, 24, 24]", "--template"],
    );
    workplace.refused(&workplace.made("scrfd-500m"), &arguments, &["[1, 3, 640, 640]", "--template"]);
    // It subtracts a mean itself.
    let arcface = ["--kind", "arcface", "--pack", "x"];
    workplace.refused(&workplace.file("sface1.onnx", &sface), &arcface, &["sface1.onnx", "--mean 0 --scale 1"]);
    // The same network by the other template.
    let dlib = ["--kind", "sface", "--template", "dlib-150", "--pack", "x"];
    workplace.refused(&workplace.file("sface2.onnx", &sface), &dlib, &["[1, 3, 112, 112]", "150×150"]);
    for (name, says) in [
        ("nan", "not finite"),
        ("zeros", "different images with the same embedding"),
        ("constant", "different images with the same embedding"),
        ("channels-last", "channels last"),
        ("batch", "several images at once"),
        ("two-inputs", "2 inputs"),
        ("map", "an embedding"),
        ("external", "weights in another file"),
    ] {
        let printed =
            support::peers::output_of(support::peers::script("odd_embedders.py").arg(name).arg(workplace.files.path()));
        let file = PathBuf::from(String::from_utf8(printed).unwrap().trim_end());
        workplace.refused(&file, &arguments, &[&format!("{name}.onnx"), says]);
    }
    // A name that is taken by other content, in the models folder.
    fs::write(workplace.models.path().join("sface.onnx"), b"other").unwrap();
    let file = workplace.file("sface.onnx", &sface);
    workplace.refused(&file, &arguments, &["is there already and has other content", "rename"]);
}

#[test]
fn an_index_of_one_pack_is_not_searched_by_another() {
    let workplace = Workplace::new();
    let file = workplace.made("sface");
    workplace.added(&file, &["--kind", "sface", "--pack", "a"]);
    workplace.added(&file, &["--kind", "sface", "--channels", "bgr", "--pack", "b"]);
    let index = workplace.models.path().join("index");
    let index = index.to_str().unwrap();
    answers(&workplace.run(&["--pack", "a", "reindex", "known_people", "--index", index]));
    let output = workplace.run(&["--pack", "b", "identify", "known_people/obama.jpg", "--index", index]);
    assert!(!output.status.success(), "the same file fed otherwise gives other embeddings");
}

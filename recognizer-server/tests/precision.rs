//! `models explain`, `models calibrate` and `--precision`, with the pack inside the program.

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;

/// Runs the program with a models folder of its own.
fn run(models: &Path, arguments: &[&str]) -> Output {
    let mut command = support::recognizer();
    support::run(command.arg("--json").arg("--models").arg(models).args(arguments).current_dir(support::repository()))
}

/// Whether it did as asked. A CPU without the precision has to say so.
fn did(output: &Output) -> bool {
    let complaints = support::complaints(output);
    if !output.status.success() {
        assert!(complaints.contains("choose precision f32"), "{complaints}");
    }
    output.status.success()
}

#[test]
fn every_layer_is_explained() {
    let models = tempfile::tempdir().unwrap();
    let output = run(models.path(), &["models", "explain", "builtin", "--size", "120x160"]);
    assert!(output.status.success(), "{}", support::complaints(&output));
    let networks = support::records(&output);
    let files: Vec<&str> = networks.iter().filter_map(|network| network["file"].as_str()).collect();
    assert_eq!(files, ["mtcnn_pnet.onnx", "mtcnn_rnet.onnx", "mtcnn_onet.onnx", "dlib_resnet.onnx"]);
    let sizes: Vec<[u64; 2]> =
        networks.iter().map(|n| ["height", "width"].map(|side| n[side].as_u64().unwrap())).collect();
    assert_eq!(sizes, [[120, 160], [24, 24], [48, 48], [150, 150]]);
    for network in &networks {
        assert_eq!(network["run_by"], "kernels", "{network}");
        let layers = network["layers"].as_array().unwrap();
        let sum = |key: &str| layers.iter().map(|layer| layer[key].as_f64().unwrap()).sum::<f64>();
        assert!((sum("share") - 1.0).abs() < 1e-6);
        assert_eq!(sum("multiplications"), network["multiplications"].as_f64().unwrap());
        assert!(layers.iter().all(|layer| layer["kernel"].as_str().is_some_and(|kernel| !kernel.is_empty())));
    }
    // dlib's network takes 271 million multiplications; its padding of shortcuts and its pools take none.
    let dlib = networks[3]["multiplications"].as_f64().unwrap();
    assert!((dlib / 271e6 - 1.0).abs() < 0.02, "{dlib}");
}

#[test]
fn a_network_of_no_pack_is_explained() {
    let models = tempfile::tempdir().unwrap();
    let output = run(models.path(), &["models", "explain", "models/mtcnn_rnet.onnx"]);
    assert!(output.status.success(), "{}", support::complaints(&output));
    assert_eq!(support::records(&output)[0]["height"], 24);
}

#[test]
fn int8_takes_ranges_from_photos() {
    let models = tempfile::tempdir().unwrap();
    let index = models.path().join("index");
    let index = ["--known", "known_people", "--index", index.to_str().unwrap()];
    let identify = |precision: &str, index: &[&str]| {
        run(models.path(), &[&["identify", "examples/group.jpg", "--precision", precision], index].concat())
    };
    let output = identify("int8", &index);
    assert!(!output.status.success());
    assert!(support::complaints(&output).contains("recognizer models calibrate builtin"));

    let output = run(models.path(), &["models", "calibrate", "builtin", "known_people", "examples"]);
    assert!(output.status.success(), "{}", support::complaints(&output));
    let record = &support::records(&output)[0];
    assert!(record["faces"].as_u64().unwrap() >= 8 && record["layers"].as_u64().unwrap() > 20, "{record}");

    let output = identify("int8", &index);
    if !did(&output) {
        return;
    }
    let photo = &support::records(&output)[0];
    let names: Vec<&Value> = photo["faces"].as_array().unwrap().iter().map(|face| &face["match"]["person"]).collect();
    assert!(names.iter().any(|name| **name == "obama") && names.iter().any(|name| **name == "biden"), "{photo}");

    // What int8 has enrolled is not compared with what f32 finds.
    let output = identify("f32", &index[2..]);
    assert!(!output.status.success());
    assert!(support::complaints(&output).contains("embedder"), "{}", support::complaints(&output));
}

#[test]
fn photos_without_faces_calibrate_nothing() {
    let models = tempfile::tempdir().unwrap();
    let output = run(models.path(), &["models", "calibrate", "builtin", "examples/coffee.jpg"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(support::complaints(&output).contains("no face was found"));
    assert_eq!(std::fs::read_dir(models.path()).unwrap().count(), 0);
}

#[test]
fn an_unknown_precision_is_wrong_usage() {
    let models = tempfile::tempdir().unwrap();
    let output = run(models.path(), &["models", "list", "--precision", "f16"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(support::complaints(&output).contains("f32, bf16, int8"));
}

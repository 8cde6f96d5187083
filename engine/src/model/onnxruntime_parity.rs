//! Networks against ONNX Runtime, which reads the same files.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Network;
use crate::photo::{Limits, Photo};
use crate::tensor::{ChannelOrder, planes};

#[path = "../../tests/support/peers.rs"]
mod peers;
#[path = "../../tests/support/shared_folder.rs"]
mod shared_folder;

/// Photos of the repository; each is resized to the network's input, whatever that does to it.
const PHOTOS: [&str; 4] =
    ["known_people/obama.jpg", "examples/group.jpg", "examples/chelsea.png", "examples/coffee.jpg"];

#[derive(Deserialize)]
struct Answer {
    outputs: HashMap<String, Tensor>,
}

#[derive(Deserialize)]
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

#[test]
fn proposal_network_is_that_of_onnx_runtime() {
    // The smallest input, one with odd sides, and a level of a pyramid.
    for (height, width) in [(12, 12), (37, 53), (120, 161)] {
        compare("mtcnn_pnet.onnx", height, width);
    }
}

#[test]
fn refinement_network_is_that_of_onnx_runtime() {
    compare("mtcnn_rnet.onnx", 24, 24);
}

#[test]
fn output_network_is_that_of_onnx_runtime() {
    compare("mtcnn_onet.onnx", 48, 48);
}

#[test]
fn embedding_network_is_that_of_onnx_runtime() {
    compare("dlib_resnet.onnx", 150, 150);
}

#[test]
fn networks_of_the_fast_pack_are_those_of_onnx_runtime() {
    let Some(shared) = shared_folder::shared("networks_of_the_fast_pack_are_those_of_onnx_runtime") else { return };
    let models = shared.join("models");
    compare_file(&models.join("mobilefacenet.onnx"), 112, 112);
    for (height, width) in [(64, 32), (320, 320), (224, 352)] {
        compare_file(&models.join("yunet_n_dynamic.onnx"), height, width);
    }
}

#[test]
fn networks_that_people_bring_are_those_of_onnx_runtime() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // As InsightFace scales pixels for SCRFD; SFace takes them as they are.
    let scrfd = ([127.5; 3], [1.0 / 128.0; 3]);
    for (name, sizes, scaling) in [
        ("sface", &[(112, 112)][..], PIXELS),
        ("scrfd-500m", &[(640, 640)], scrfd),
        ("scrfd-500m-dynamic", &[(384, 512), (96, 32), (224, 352)], scrfd),
        ("scrfd-500m-five", &[(256, 128), (384, 640)], scrfd),
    ] {
        let path = peers::output_of(peers::script("../../benches/compare/shapes.py").arg(name).arg(dir.path()));
        let path = String::from_utf8(path).expect("a path in UTF-8");
        for &(height, width) in sizes {
            // Their weights are random: numbers between layers are large.
            compare_within(1e-3, scaling, Path::new(path.trim_end()), height, width);
        }
    }
}

#[test]
fn maps_that_do_not_fit_each_other_are_an_error() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path =
        peers::output_of(peers::script("../../benches/compare/shapes.py").arg("scrfd-500m-dynamic").arg(dir.path()));
    let onnx = fs::read(String::from_utf8(path).expect("a path in UTF-8").trim_end()).expect("the network's file");
    let network = Network::parse("scrfd", &onnx).expect("the network parses");
    // 13 rows at stride 8 and 7 at stride 16: twice as many are 14.
    assert!(network.run(100, 128, &vec![0.0; 3 * 100 * 128]).is_err());
    assert!(network.run(96, 128, &vec![0.0; 3 * 96 * 128]).is_ok());
}

fn compare(file: &str, height: usize, width: usize) {
    compare_file(&root().join("models").join(file), height, width);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn compare_file(model: &Path, height: usize, width: usize) {
    compare_within(1e-4, PIXELS, model, height, width);
}

/// What is taken from each channel, and what it is multiplied by.
type Scaling = ([f32; 3], [f32; 3]);

/// As they are, 0…255.
const PIXELS: Scaling = ([0.0; 3], [1.0; 3]);

/// Runs noise and photos through both: every output of every input within the bound, of numbers above 1 within that part.
fn compare_within(bound: f32, (mean, scale): Scaling, model: &Path, height: usize, width: usize) {
    let root = root();
    let file = model.file_name().and_then(|name| name.to_str()).expect("a name");
    let network = Network::parse(file, &fs::read(model).expect("the network's file")).expect("the network parses");
    assert!(network.is_fused(), "{file} is left to tract");

    let scaled = |(index, pixel): (usize, f32)| {
        let channel = index / (height * width);
        (pixel - mean[channel]) * scale[channel]
    };
    let noise = |seed| noise(seed, 3 * height * width).into_iter().enumerate().map(scaled).collect();
    let mut inputs: Vec<Vec<f32>> = (1..=4).map(noise).collect();
    for photo in PHOTOS {
        let photo = Photo::open(root.join(photo), &Limits::default()).expect("the photo decodes");
        let resized = photo.resize(width as u32, height as u32);
        inputs.push(planes(&resized, ChannelOrder::RGB, mean, scale));
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let files = inputs.iter().enumerate().map(|(index, input)| {
        let path = dir.path().join(format!("{index}.f32"));
        let bytes: Vec<u8> = input.iter().flat_map(|value| value.to_le_bytes()).collect();
        fs::write(&path, bytes).expect("the input is written");
        path
    });
    let shape = format!("1x3x{height}x{width}");
    let printed = peers::output_of(peers::script("mtcnn_onnxruntime.py").arg(model).arg(shape).args(files));
    let answers: Vec<Answer> = serde_json::from_slice(&printed).expect("the script prints JSON");
    assert_eq!(answers.len(), inputs.len());

    let mut worst = 0.0_f32;
    for (input, answer) in inputs.iter().zip(&answers) {
        let ours = network.run(height, width, input).expect("the network runs");
        assert_eq!(ours.len(), answer.outputs.len());
        for (name, theirs) in &answer.outputs {
            let ours = &ours[network.output_index(name).expect("the output has a name")];
            assert_eq!(ours.shape, theirs.shape, "{file} {name}");
            assert_eq!(ours.values.len(), theirs.values.len(), "{file} {name}");
            for (a, b) in ours.values.iter().zip(&theirs.values) {
                let difference = (a - b).abs() / b.abs().max(1.0);
                assert!(difference <= bound, "{file} at {height}×{width}, {name}: {a} instead of {b}");
                worst = worst.max(difference);
            }
        }
    }
    println!("{file} at {height}×{width}: {} inputs, largest difference {worst:.1e}", inputs.len());
}

/// Pixel values 0…255 without any pattern, the same in every run (a linear congruential generator with
/// Knuth's MMIX constants).
fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as f32
    };
    (0..count).map(|_| next()).collect()
}

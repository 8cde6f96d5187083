//! Embeddings of crops and their mirror images.

use std::path::Path;

use facerecog_engine::detect::DetectOptions;
use facerecog_engine::embed::distance;
use facerecog_engine::model::{BUILTIN, Manifest, Pack};
use facerecog_engine::photo::{Limits, Photo};
use facerecog_engine::recognizer::Recognizer;

fn flipping() -> Pack {
    Manifest::builtin().with_flip(true).pack(BUILTIN, None).unwrap()
}

#[test]
fn an_embedding_is_the_mean_of_the_crop_and_its_mirror_image() {
    let chip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../known_people/obama.jpg");
    let chip = Photo::open(&chip, &Limits::default()).unwrap().resize(150, 150);
    let mirrored = chip.rgb().chunks_exact(150 * 3).flat_map(|row| row.chunks_exact(3).rev().flatten());
    let mirrored = Photo::from_rgb(150, 150, mirrored.copied().collect());

    let plain = Recognizer::builtin().unwrap();
    let both = [&chip, &mirrored].map(|chip| plain.embed_chip(chip).unwrap());
    let mean: Vec<f32> = both[0].values().iter().zip(both[1].values()).map(|(a, b)| (a + b) / 2.0).collect();
    let flipped = Recognizer::new(flipping(), DetectOptions::default()).unwrap().embed_chip(&chip).unwrap();
    assert!(distance(flipped.values(), &mean) < 1e-6);
    assert!(distance(flipped.values(), both[0].values()) > 1e-3, "the mirror image makes no difference");
}

#[test]
fn galleries_are_tied_to_it() {
    let digest = |pack: Pack| pack.embedder_identity().digest;
    assert_ne!(digest(flipping()), digest(Pack::builtin()));
    let unflipped = Manifest::builtin().with_flip(true).with_flip(false).pack(BUILTIN, None).unwrap();
    assert_eq!(digest(unflipped), digest(Pack::builtin()));
}

#[test]
fn a_manifest_may_ask_for_it() {
    let text = facerecog_models::MANIFEST.replace("[packs.builtin.embedder]", "[packs.builtin.embedder]\nflip = true");
    let manifest = Manifest::parse(&text, Path::new("mine.toml")).unwrap();
    assert!(manifest.entry(BUILTIN).unwrap().embedder.flip);
    assert!(!Manifest::builtin().entry(BUILTIN).unwrap().embedder.flip);
}

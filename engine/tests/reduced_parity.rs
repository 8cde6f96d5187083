//! Faces and embeddings of photos that are decoded as small as possible, against those of the whole photos.

mod support;

use facerecog_engine::embed::similarity;
use facerecog_engine::photo::{Limits, Photo, Reduction};
use facerecog_engine::recognizer::EmbeddedFace;
use rayon::prelude::*;

/// What two ways of decoding one photo gave.
struct Seen {
    photo: String,
    reduction: Reduction,
    /// Faces that only one of the two ways found.
    alone: usize,
    /// Of each face that both found: intersection over union of the boxes, and similarity of the embeddings.
    pairs: Vec<(f32, f32)>,
}

#[test]
fn what_is_told_of_a_photo_does_not_depend_on_how_small_it_is_decoded() {
    let Some(shared) = support::shared("reduced_parity") else { return };
    let recognizer = support::recognizer("fast", &shared);
    let photos = ["data/groups", "data/face_recognition", "data/celebs5", "data/sitcom"]
        .map(|dir| support::photos(&shared.join(dir)));
    let seen: Vec<Seen> = photos
        .concat()
        .par_iter()
        .filter_map(|path| {
            let (file, limits) = (std::fs::read(path).unwrap(), Limits::default());
            let reduced = recognizer.decode(&file, &limits, 0.0).ok()?;
            if reduced.reduction() == Reduction::None {
                return None;
            }
            let of_reduced = recognizer.embed_faces(&reduced).expect("the networks run");
            let whole = Photo::decode(&file, &limits).unwrap();
            let of_whole = recognizer.embed_faces(&whole).expect("the networks run");
            let mut pairs = Vec::new();
            for EmbeddedFace { face, embedding, .. } in &of_whole {
                let iou = |other: &EmbeddedFace| other.face.bbox.iou(&face.bbox);
                let same = of_reduced.iter().max_by(|a, b| iou(a).total_cmp(&iou(b)));
                if let Some(other) = same.filter(|other| iou(other) > 0.5) {
                    let distance = facerecog_engine::embed::distance(embedding.values(), other.embedding.values());
                    pairs.push((iou(other), similarity(distance)));
                }
            }
            let alone = of_whole.len() + of_reduced.len() - 2 * pairs.len();
            Some(Seen { photo: path.display().to_string(), reduction: reduced.reduction(), alone, pairs })
        })
        .collect();
    let pairs: Vec<(f32, f32)> = seen.iter().flat_map(|seen| seen.pairs.clone()).collect();
    let alone: usize = seen.iter().map(|seen| seen.alone).sum();
    let mean = |of: fn(&(f32, f32)) -> f32| pairs.iter().map(of).sum::<f32>() / pairs.len() as f32;
    let lowest = |of: fn(&(f32, f32)) -> f32| pairs.iter().map(of).fold(f32::INFINITY, f32::min);
    for seen in &seen {
        println!("{} {:?} {} alone, {:?}", seen.photo, seen.reduction, seen.alone, seen.pairs);
    }
    println!(
        "{} photos, {} faces, {alone} alone; boxes {:.4}, at least {:.4}; embeddings {:.4}, at least {:.4}",
        seen.len(),
        pairs.len(),
        mean(|pair| pair.0),
        lowest(|pair| pair.0),
        mean(|pair| pair.1),
        lowest(|pair| pair.1)
    );
    assert!(pairs.len() > 20, "{} faces", pairs.len());
    assert_eq!(alone, 0, "faces that one way alone found");
    // The landmarks of the smallest faces, of some 10 pixels in the detector's input, move by a pixel of it.
    assert!(mean(|pair| pair.0) > 0.97 && mean(|pair| pair.1) > 0.975, "all faces");
    let large: Vec<f32> =
        seen.iter().filter(|seen| seen.pairs.len() < 3).flat_map(|seen| &seen.pairs).map(|pair| pair.1).collect();
    assert!(large.iter().all(|&similarity| similarity > 0.985), "portraits: {large:?}");
}

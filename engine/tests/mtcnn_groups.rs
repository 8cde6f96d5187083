//! How many of the faces on group photos the built-in detector finds, and how many it makes up.

mod support;

use std::collections::BTreeMap;

use rayon::prelude::*;

#[test]
fn every_face_of_the_group_photos_is_found() {
    let Some(shared) = support::shared("every_face_of_the_group_photos_is_found") else { return };
    let recognizer = support::recognizer("builtin", &shared);
    let groups = shared.join("data/groups");
    let text = std::fs::read_to_string(groups.join("counts.json")).expect("counts.json");
    // Photos with painted faces have no agreed count.
    let counts: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).expect("counts.json");
    let counts: Vec<(String, usize)> =
        counts.into_iter().filter_map(|(photo, count)| Some((photo, count.as_u64()? as usize))).collect();
    let expected: usize = counts.iter().map(|(_, count)| count).sum();
    assert_eq!(expected, 29);

    let seen: Vec<(String, usize, usize)> = counts
        .into_par_iter()
        .map(|(photo, count)| {
            let found = recognizer.detect(&support::open(&groups.join(&photo))).expect("the networks run").len();
            (photo, count, found)
        })
        .collect();
    let found: usize = seen.iter().map(|(_, count, found)| found.min(count)).sum();
    let extra: usize = seen.iter().map(|(_, count, found)| found.saturating_sub(*count)).sum();
    let odd: Vec<_> = seen.iter().filter(|(_, count, found)| count != found).collect();
    println!("{found} of {expected} faces found, {extra} false: {odd:?}");
    assert_eq!(found, expected, "{odd:?}");
    assert!(extra <= 1, "{odd:?}");
}

#[test]
fn photos_without_a_face_have_hardly_any() {
    let Some(shared) = support::shared("photos_without_a_face_have_hardly_any") else { return };
    let recognizer = support::recognizer("builtin", &shared);
    let photos = support::photos(&shared.join("data/no-face"));
    assert_eq!(photos.len(), 120);
    let found: Vec<_> = photos
        .par_iter()
        .map(|path| (path, recognizer.detect(&support::open(path)).expect("the networks run").len()))
        .filter(|(_, found)| *found > 0)
        .collect();
    let false_faces: usize = found.iter().map(|(_, found)| found).sum();
    println!("{false_faces} false faces on {} photos: {found:?}", photos.len());
    assert!(false_faces <= 2, "{found:?}");
}

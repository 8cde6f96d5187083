//! Photos that show someone else than the person they are filed under.

use std::collections::HashMap;

use rayon::prelude::*;

use super::known_folder::person_of;
use crate::embed::distance;

/// Code of a photo whose face is unlike all the person's others.
pub(super) const UNLIKE: &str = "unlike_the_person";

/// Of two photos nobody can say which one is wrong.
const FEWEST_PHOTOS: usize = 3;

/// A folder of more photos than anybody has of one person is no person's: comparing each with each would
/// take minutes, and tell nothing.
const MOST_PHOTOS: usize = 5_000;

/// How to tell photos that show someone else than the person they are filed under.
///
/// A photo stands alone when its distance to each other photo of the person reaches `threshold`. It is
/// judged when the person has at least 3 photos, and at most 5,000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlierCheck {
    /// Distance below which two faces are of the same person, as in
    /// [`Decision::threshold`](crate::model::Decision::threshold).
    pub threshold: f32,
    /// Leave such photos out when they are fewer than half of the person's, so that the others tell who the
    /// person is. They come back when the person's photos change so that they fit. Otherwise they are in the
    /// gallery, with a warning.
    pub reject: bool,
}

/// What becomes of a photo that stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlike {
    Warn,
    Reject,
}

/// The photos that stand alone, by source, of all photos that have a face.
pub(super) fn find<'a>(
    faces: impl Iterator<Item = (&'a str, &'a [f32])>,
    check: &OutlierCheck,
) -> HashMap<&'a str, Unlike> {
    let mut people: HashMap<&str, Vec<(&'a str, &'a [f32])>> = HashMap::new();
    for (source, embedding) in faces {
        people.entry(person_of(source)).or_default().push((source, embedding));
    }
    people
        .into_par_iter()
        .filter(|(_, photos)| (FEWEST_PHOTOS..=MOST_PHOTOS).contains(&photos.len()))
        .flat_map_iter(|(_, photos)| {
            let alone = standing_alone(&photos, check.threshold);
            let unlike = if check.reject && 2 * alone.len() < photos.len() { Unlike::Reject } else { Unlike::Warn };
            alone.into_iter().map(move |source| (source, unlike))
        })
        .collect()
}

fn standing_alone<'a>(photos: &[(&'a str, &[f32])], threshold: f32) -> Vec<&'a str> {
    let mut alone = vec![true; photos.len()];
    for (index, (_, embedding)) in photos.iter().enumerate() {
        // Whoever is like an earlier photo is known not to be alone.
        if !alone[index] {
            continue;
        }
        for (other, (_, other_embedding)) in photos.iter().enumerate() {
            if other != index && distance(embedding, other_embedding) < threshold {
                alone[index] = false;
                alone[other] = false;
                break;
            }
        }
    }
    photos.iter().zip(alone).filter(|(_, alone)| *alone).map(|((source, _), _)| *source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Photos of one person at these places on a line, threshold 1; the places that are found.
    fn found(places: &[f32], reject: bool) -> Vec<(f32, Unlike)> {
        let sources: Vec<String> = (0..places.len()).map(|number| format!("ada/{number}.jpg")).collect();
        let faces = sources.iter().map(String::as_str).zip(places.chunks(1));
        let found = find(faces, &OutlierCheck { threshold: 1.0, reject });
        let place = |number: usize| Some((places[number], *found.get(sources[number].as_str())?));
        (0..places.len()).filter_map(place).collect()
    }

    #[test]
    fn one_that_is_unlike_all_others_stands_alone() {
        use Unlike::{Reject, Warn};
        assert_eq!(found(&[0.0, 0.5, 7.0], false), [(7.0, Warn)]);
        assert_eq!(found(&[0.0, 7.0, 0.5], true), [(7.0, Reject)]);
        // A chain: the ends are unlike each other, but not unlike all.
        assert_eq!(found(&[0.0, 0.9, 1.8, 2.7], true), []);
        // The threshold itself is unlike.
        assert_eq!(found(&[0.0, 0.5, 1.5], true), [(1.5, Reject)]);
        // Two pairs: two people, but nobody alone.
        assert_eq!(found(&[0.0, 0.1, 5.0, 5.1], true), []);
    }

    #[test]
    fn nobody_is_rejected_where_the_others_do_not_agree() {
        use Unlike::{Reject, Warn};
        assert_eq!(found(&[0.0, 7.0], true), []);
        assert_eq!(found(&[0.0, 5.0, 9.0], true), [(0.0, Warn), (5.0, Warn), (9.0, Warn)]);
        assert_eq!(found(&[0.0, 0.1, 5.0, 9.0], true), [(5.0, Warn), (9.0, Warn)]);
        assert_eq!(found(&[0.0, 0.1, 0.2, 5.0, 9.0], true), [(5.0, Reject), (9.0, Reject)]);
    }

    #[test]
    fn people_are_judged_apart() {
        let faces = [("a_1.jpg", &[0.0][..]), ("a_2.jpg", &[0.1]), ("b_1.jpg", &[9.0]), ("b_2.jpg", &[5.0])];
        assert!(find(faces.into_iter(), &OutlierCheck { threshold: 1.0, reject: true }).is_empty());
    }
}

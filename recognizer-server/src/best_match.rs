//! One name for a whole photo.

use facerecog_engine::recognizer::{IdentifiedFace, Match};

/// What a photo is called on which nobody is known; callers of the original service compare with
/// exactly this.
pub(crate) const NOT_FOUND: &str = "not_found";

/// The surest match among all faces of a photo: the one at the smallest distance.
pub(crate) fn best_match(faces: &[IdentifiedFace]) -> Option<&Match> {
    faces.iter().filter_map(|face| face.best.as_ref()).min_by(|a, b| a.distance.total_cmp(&b.distance))
}

#[cfg(test)]
mod tests {
    use facerecog_engine::detect::{Face, Landmarks};
    use facerecog_engine::{BoundingBox, Point};

    use super::*;

    fn face(matched: Option<(&str, f32)>) -> IdentifiedFace {
        IdentifiedFace {
            face: Face { bbox: BoundingBox::default(), score: 1.0, landmarks: [Point::default(); 5] as Landmarks },
            best: matched.map(|(name, distance)| Match {
                image_name: name.into(),
                person: name.into(),
                similarity: 0.0,
                distance,
                probability: 0.0,
            }),
        }
    }

    #[test]
    fn nearest_face_names_the_photo() {
        let faces = [face(None), face(Some(("far.jpg", 0.5))), face(Some(("near.jpg", 0.3)))];
        assert_eq!(best_match(&faces).unwrap().image_name, "near.jpg");
        assert!(best_match(&[face(None)]).is_none());
        assert!(best_match(&[]).is_none());
    }
}

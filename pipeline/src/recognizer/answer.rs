//! What the recognizer answered, in the words of this crate.

use tonic::Code;

use super::contract::v1::recognize_stream_response::Result as PhotoResult;
use super::contract::v1::{BoundingBox, RecognizeResponse, RecognizedFace};
use super::error::RecognizeError;
use crate::image::{FoundFace, KnownFace, Recognition};

/// What the original contract answers when nobody on the photo is known.
const NOT_FOUND: &str = "not_found";

/// Of the v1 contract.
pub(super) fn of_stream(result: PhotoResult) -> Result<Recognition, RecognizeError> {
    match result {
        PhotoResult::Response(response) => Ok(recognition(response)),
        PhotoResult::Failure(failure) if Code::from_i32(failure.code) == Code::DeadlineExceeded => {
            // The recognizer's own limit for a photo whose turn has come: it is the photo that takes too long.
            Err(RecognizeError::Photo { message: failure.message })
        }
        PhotoResult::Failure(failure) => Err(RecognizeError::of_answer(Code::from_i32(failure.code), &failure.message)),
    }
}

/// Of the original contract.
pub(super) fn of_name(image_name: String) -> Recognition {
    let known = !image_name.is_empty() && image_name != NOT_FOUND;
    Recognition { image_name: known.then_some(image_name), ..Recognition::default() }
}

fn recognition(response: RecognizeResponse) -> Recognition {
    let nearest = response.faces.iter().filter_map(|face| face.matches.first());
    // As the recognizer itself names a whole photo.
    let best = nearest.min_by(|a, b| a.distance.total_cmp(&b.distance));
    Recognition {
        width: response.width,
        height: response.height,
        image_name: best.map(|best| best.image_name.clone()),
        faces: response.faces.into_iter().map(found_face).collect(),
    }
}

fn found_face(recognized: RecognizedFace) -> FoundFace {
    let face = recognized.face.unwrap_or_default();
    let BoundingBox { x, y, width, height } = face.bounding_box.unwrap_or_default();
    let known = recognized.matches.into_iter().next();
    FoundFace {
        x,
        y,
        width,
        height,
        score: face.score,
        known: known.map(|found| KnownFace {
            image_name: found.image_name,
            person: found.person,
            similarity: found.similarity,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::v1::{Failure, Match};
    use super::*;

    fn face(matched: Option<(&str, f32)>) -> RecognizedFace {
        let matches = matched.map(|(name, distance)| Match {
            image_name: name.into(),
            person: name.into(),
            similarity: 1.0 - distance * distance / 2.0,
            distance,
            probability: 0.5,
        });
        RecognizedFace { face: None, matches: matches.into_iter().collect(), embedding: Vec::new() }
    }

    #[test]
    fn the_nearest_face_names_the_photo() {
        let faces = vec![face(None), face(Some(("far.jpg", 0.5))), face(Some(("near.jpg", 0.25)))];
        let response = RecognizeResponse { width: 4, height: 3, faces, generation: 1 };
        let found = of_stream(PhotoResult::Response(response)).unwrap();
        assert_eq!(found.image_name.as_deref(), Some("near.jpg"));
        assert_eq!((found.width, found.height, found.faces.len()), (4, 3, 3));
        assert_eq!(found.faces[2].known.as_ref().unwrap().similarity, 0.96875);
        assert!(found.faces[0].known.is_none());
    }

    #[test]
    fn not_found_names_nobody() {
        for (name, expected) in [("a.jpg", Some("a.jpg")), ("not_found", None), ("", None)] {
            assert_eq!(of_name(name.into()).image_name.as_deref(), expected);
        }
    }

    #[test]
    fn a_photo_that_takes_too_long_is_refused_but_a_full_queue_is_not_its_fault() {
        for (code, of_photo) in [(Code::DeadlineExceeded, true), (Code::NotFound, true), (Code::Unavailable, false)] {
            let failure = Failure { code: code.into(), reason: String::new(), message: "why".into() };
            let error = of_stream(PhotoResult::Failure(failure)).unwrap_err();
            assert_eq!(matches!(error, RecognizeError::Photo { .. }), of_photo, "{code:?}");
        }
    }
}

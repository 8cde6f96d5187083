//! What the engine found, in the words of the proto.

use facerecog_engine::detect::Face;
use facerecog_engine::quality::FaceQuality;
use facerecog_engine::recognizer::{Match, RecognizedFace};

use super::proto;
use crate::grpc::recognition::Recognized;

pub(super) fn recognize_response(recognized: Recognized, include_embeddings: bool) -> proto::RecognizeResponse {
    let (width, height) = recognized.size;
    let faces = recognized.faces.into_iter().map(|face| recognized_face(face, include_embeddings)).collect();
    proto::RecognizeResponse { width, height, faces, generation: recognized.generation }
}

fn recognized_face(recognized: RecognizedFace, include_embeddings: bool) -> proto::RecognizedFace {
    let embedding = if include_embeddings { recognized.embedding.values().to_vec() } else { Vec::new() };
    proto::RecognizedFace {
        face: Some(face(&recognized.face, &recognized.quality)),
        matches: recognized.matches.into_iter().map(matched).collect(),
        embedding,
    }
}

pub(super) fn face(face: &Face, quality: &FaceQuality) -> proto::Face {
    let bbox = face.bbox;
    proto::Face {
        bounding_box: Some(proto::BoundingBox { x: bbox.x, y: bbox.y, width: bbox.width, height: bbox.height }),
        score: face.score,
        landmarks: face.landmarks.iter().map(|point| proto::Point { x: point.x, y: point.y }).collect(),
        quality: quality.score,
    }
}

fn matched(found: Match) -> proto::Match {
    let Match { image_name, person, similarity, distance, probability } = found;
    proto::Match { image_name, person, similarity, distance, probability }
}

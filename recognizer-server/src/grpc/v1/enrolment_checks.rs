//! What a photo must be like to be taken for a known one.

use facerecog_engine::embed::{Embedding, distance};
use facerecog_engine::gallery::Gallery;
use facerecog_engine::recognizer::EmbeddedFace;

use super::proto::{RejectCode, Rejection};

/// What a photo must be like to be taken for a known one by `Enroll`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::grpc) struct EnrolmentChecks {
    /// Least longer side of the face, in pixels.
    pub(in crate::grpc) min_face: f32,
    /// Least score of the detector, 0…1.
    pub(in crate::grpc) min_score: f32,
}

impl EnrolmentChecks {
    /// What is against the `faces` of a photo, largest first.
    pub(super) fn rejections(&self, faces: &[EmbeddedFace]) -> Vec<Rejection> {
        let Some(EmbeddedFace { face, .. }) = faces.first() else {
            return vec![rejection(RejectCode::NoFace, "no face was found".into())];
        };
        let mut rejections = Vec::new();
        if faces.len() > 1 {
            let message = format!("{} faces were found; a known photo shows one", faces.len());
            rejections.push(rejection(RejectCode::SeveralFaces, message));
        }
        let side = face.bbox.width.max(face.bbox.height);
        if side < self.min_face {
            let message = format!("the face is {side:.0} pixels large, must be {:.0} at least", self.min_face);
            rejections.push(rejection(RejectCode::FaceTooSmall, message));
        }
        if face.score < self.min_score {
            let message = format!("the detector's score is {:.2}, must be {:.2} at least", face.score, self.min_score);
            rejections.push(rejection(RejectCode::LowDetectionScore, message));
        }
        rejections
    }
}

/// What is against a face that is none of the person's on the known photos: their distances all reach
/// `threshold`.
pub(super) fn unlike(embedding: &Embedding, person: &str, gallery: &Gallery, threshold: f32) -> Option<Rejection> {
    let of_person = (0..gallery.rows()).map(|row| gallery.row(row)).filter(|row| row.person == person);
    let nearest = of_person.map(|row| distance(row.embedding, embedding.values())).min_by(f32::total_cmp)?;
    let message = || {
        format!(
            "the nearest of the known photos of {person} is {nearest:.2} away, the same person below {threshold:.2}"
        )
    };
    (nearest >= threshold).then(|| rejection(RejectCode::UnlikeThePerson, message()))
}

/// What is against a photo whose name another has.
pub(super) fn duplicate(image_name: &str) -> Rejection {
    rejection(RejectCode::DuplicateName, format!("there is a known photo named {image_name}"))
}

pub(super) fn rejection(code: RejectCode, message: String) -> Rejection {
    Rejection { code: code.into(), message }
}

#[cfg(test)]
mod tests {
    use facerecog_engine::detect::Face;
    use facerecog_engine::embed::Metric;
    use facerecog_engine::model::Decoder;
    use facerecog_engine::quality::{FaceMeasurements, FaceQuality};
    use facerecog_engine::{BoundingBox, Point};

    use super::*;

    fn face(side: f32, score: f32) -> EmbeddedFace {
        let bbox = BoundingBox::new(0.0, 0.0, side / 2.0, side);
        EmbeddedFace {
            face: Face { bbox, score, landmarks: [Point::default(); 5] },
            quality: FaceQuality::new(FaceMeasurements::default(), Decoder::Mtcnn),
            embedding: Embedding::new(vec![1.0], Metric::Cosine),
        }
    }

    #[test]
    fn each_fault_has_its_code() {
        let checks = EnrolmentChecks { min_face: 80.0, min_score: 0.9 };
        let codes = |faces: &[EmbeddedFace]| -> Vec<RejectCode> {
            checks.rejections(faces).iter().map(Rejection::code).collect()
        };
        assert_eq!(codes(&[]), [RejectCode::NoFace]);
        assert_eq!(codes(&[face(80.0, 0.9)]), []);
        assert_eq!(codes(&[face(79.0, 0.9)]), [RejectCode::FaceTooSmall]);
        assert_eq!(codes(&[face(80.0, 0.89)]), [RejectCode::LowDetectionScore]);
        assert_eq!(codes(&[face(90.0, 0.9), face(10.0, 0.1)]), [RejectCode::SeveralFaces]);
        let all = [RejectCode::SeveralFaces, RejectCode::FaceTooSmall, RejectCode::LowDetectionScore];
        assert_eq!(codes(&[face(20.0, 0.1), face(10.0, 0.1)]), all);
    }
}

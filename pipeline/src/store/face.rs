//! Faces as rows of `image_faces`.

use crate::image::{FoundFace, KnownFace, Recognition};

/// Columns of [`FaceRow`], of `image_faces` as `face`.
pub(super) const FACE_COLUMNS: &str = "face.x as face_x, face.y as face_y, face.width as face_width, \
     face.height as face_height, face.score as face_score, face.image_name as face_image_name, \
     face.person as face_person, face.similarity as face_similarity";

/// A face, or nothing where an outer join found none.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct FaceRow {
    face_x: Option<f64>,
    face_y: Option<f64>,
    face_width: Option<f64>,
    face_height: Option<f64>,
    face_score: Option<f64>,
    face_image_name: Option<String>,
    face_person: Option<String>,
    face_similarity: Option<f64>,
}

impl FaceRow {
    pub(super) fn face(self) -> Option<FoundFace> {
        let known = match (self.face_image_name, self.face_person) {
            (Some(image_name), Some(person)) => {
                Some(KnownFace { image_name, person, similarity: self.face_similarity.unwrap_or_default() as f32 })
            }
            _ => None,
        };
        Some(FoundFace {
            x: self.face_x? as f32,
            y: self.face_y? as f32,
            width: self.face_width? as f32,
            height: self.face_height? as f32,
            score: self.face_score? as f32,
            known,
        })
    }
}

/// Index of the face that the photo's person was told by: the likest to the known photo that was answered.
pub(super) fn told_by(found: &Recognition) -> Option<usize> {
    let image_name = found.image_name.as_deref()?;
    let similarities = found.faces.iter().enumerate().filter_map(|(position, face)| {
        let known = face.known.as_ref().filter(|known| known.image_name == image_name)?;
        Some((position, known.similarity))
    });
    similarities.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(position, _)| position)
}

/// A number that both databases store: MySQL refuses infinity and NaN.
pub(super) fn finite(number: f32) -> f64 {
    if number.is_finite() { f64::from(number) } else { 0.0 }
}

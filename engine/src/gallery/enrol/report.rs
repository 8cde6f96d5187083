//! What an enrolment did.

use serde::Serialize;

/// What [`enrol`](super::enrol) found and did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnrolmentReport {
    /// The index folder, as text.
    pub index: String,
    /// The generation that is now current; the one before when nothing changed, and 0 for a dry run
    /// where there is none.
    pub generation: u64,
    /// Files in the known folder that count as photos.
    pub photos: usize,
    /// Faces in the gallery.
    pub embeddings: usize,
    /// People in the gallery.
    pub people: usize,
    /// Photos that the gallery did not have, or that changed.
    pub added: usize,
    /// Photos that the gallery has from before.
    pub unchanged: usize,
    /// Photos that the gallery had and has no longer: deleted, renamed, or not fit any more.
    pub removed: usize,
    /// How often a photo was decoded and embedded, 0 for a dry run.
    pub embedded: usize,
    /// Photos that an earlier enrolment, which was broken off, had embedded already.
    pub resumed: usize,
    /// Photos that are not in the gallery, by path.
    pub skipped: Vec<SkippedPhoto>,
    /// Photos that are in the gallery but deserve a look, by path.
    pub warnings: Vec<EnrolWarning>,
    /// Why the index before was not built upon, when it was there and not asked to be ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

/// A photo that is not in the gallery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedPhoto {
    /// Its path relative to the known folder.
    pub photo: String,
    /// A stable machine-readable reason: `name_not_utf8`, `duplicate_name`, `unlike_the_person`, `low_quality`, a code of
    /// [`PhotoErrorKind`](crate::photo::PhotoErrorKind), or one of the embedder's, such as `no_face`.
    pub code: String,
    /// The reason in words.
    pub message: String,
}

/// A photo, or a folder of them, that deserves a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnrolWarning {
    /// Its path relative to the known folder.
    pub photo: String,
    /// A stable machine-readable reason: `several_faces`, `unlike_the_person`, `low_quality`, or the code of the
    /// [`PhotoErrorKind`](crate::photo::PhotoErrorKind) that kept a photo from being read again.
    pub code: String,
    /// The reason in words.
    pub message: String,
}

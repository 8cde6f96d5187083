//! What a gallery keeps of a photo.

use crate::BoundingBox;

/// One enrolled face. Borrowed from the [`Gallery`](super::Gallery) that holds it, or from the
/// caller of [`IndexWriter::publish`](super::IndexWriter::publish).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// Name of the photo's file without folders, byte for byte. No two rows share one.
    pub image_name: &'a str,
    /// Who it is.
    pub person: &'a str,
    /// Path of the photo relative to the known folder, parts separated by `/`.
    pub source: &'a str,
    /// The file as it was when the face was embedded.
    pub file: SourceFile,
    /// Where the face is on the upright photo, in pixels.
    pub bbox: BoundingBox,
    /// The detector's score, 0…1.
    pub score: f32,
    /// How well the face can be recognised, 0…1, as the enrolment's embedder judged it.
    pub quality: f32,
    /// Faces on the photo, of which this is the largest.
    pub faces_seen: u32,
    /// As many numbers as the embedder's dims.
    pub embedding: &'a [f32],
}

/// A photo that could not be enrolled, kept so that it is not decoded again until it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedRow<'a> {
    /// Path of the photo relative to the known folder, parts separated by `/`.
    pub source: &'a str,
    /// The file as it was when it was refused.
    pub file: SourceFile,
    /// A stable machine-readable reason, such as `no_face`.
    pub code: &'a str,
    /// The reason in words.
    pub message: &'a str,
}

/// What tells whether a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFile {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change, nanoseconds since 1970.
    pub modified_ns: i64,
    /// Whether the last change was long past when the file was read. When not, a later change may
    /// bear the same time, since file systems count in steps of up to two seconds, and only the
    /// content tells.
    pub settled: bool,
    /// blake3 of the content.
    pub digest: [u8; 32],
}

/// Someone with rows in a gallery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person<'a> {
    /// Their name.
    pub name: &'a str,
    /// Number of rows that are theirs.
    pub rows: u32,
}

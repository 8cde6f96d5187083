//! What the frontend shows.

use crate::image::{FoundFace, ImageId, Status};

/// Which photos to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this status alone.
    pub status: Option<Status>,
    /// Of people whose name has this in it, whatever the case.
    pub person: Option<String>,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSummary {
    /// Its key.
    pub id: ImageId,
    /// Path as it was posted.
    pub path: String,
    /// Name of the person on it, once it is PROCESSED.
    pub person: Option<String>,
    /// None for a number or NULL that stands for no status.
    pub status: Option<Status>,
    /// Why it FAILED, as text for people.
    pub reason: Option<String>,
    /// Size of the upright photo, when the recognizer told it.
    pub size: Option<(u32, u32)>,
    /// The face that the person was told by.
    pub face: Option<FoundFace>,
}

/// One page of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows.
    pub images: Vec<ImageSummary>,
    /// Rows on all pages.
    pub total: u64,
}

/// A photo with all there is to know.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageDetail {
    /// As in the table.
    pub summary: ImageSummary,
    /// Every face, largest first.
    pub faces: Vec<FoundFace>,
    /// Tries so far.
    pub attempts: u32,
}

/// A person of the people page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSummary {
    /// Key in `person`.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Known photos, of `person_images`.
    pub enrolled: u64,
    /// PROCESSED photos.
    pub seen: u64,
}

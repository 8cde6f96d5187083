//! Known people: an index file of their embeddings, enrolment from a folder of photos, and search.

/// Why a gallery could not be opened, written or searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GalleryError {}

/// One opened generation of an index.
#[derive(Debug)]
pub struct Gallery {}

//! The photo that an address names.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::error::PageError;
use crate::image::ImageId;

/// The number in `/photos/{id}`. What is no number names nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhotoId(pub(super) ImageId);

impl<S: Send + Sync> FromRequestParts<S> for PhotoId {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let Path(id) = Path::<u64>::from_request_parts(parts, state).await.map_err(|_| PageError::NotFound)?;
        Ok(Self(ImageId(id)))
    }
}

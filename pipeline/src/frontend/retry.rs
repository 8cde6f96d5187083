//! Another try for a photo that failed.

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::Redirect;
use axum::{Extension, Form};
use serde::Deserialize;

use super::Frontend;
use super::csrf::Token;
use super::error::PageError;
use super::photo_id::PhotoId;
use super::site::{Notice, back};

#[derive(Debug, Deserialize)]
pub(super) struct RetryForm {
    #[serde(default)]
    token: String,
    /// The page with the button.
    #[serde(default)]
    back: String,
}

/// Answers `POST /photos/{id}/retry`: leads back to the page it came from.
pub(super) async fn retry(
    State(frontend): State<Frontend>,
    Extension(token): Extension<Token>,
    PhotoId(id): PhotoId,
    form: Result<Form<RetryForm>, FormRejection>,
) -> Result<Redirect, PageError> {
    let Form(form) = form.map_err(|error| PageError::BadForm(error.body_text()))?;
    token.check(&form.token)?;
    let notice = if frontend.store.retry(id).await? {
        tracing::info!(%id, "retried by hand");
        frontend.metrics.retried();
        frontend.queue(&[id]).await;
        Notice::Retried(id.0)
    } else if frontend.store.image(id).await?.is_some() {
        Notice::NotFailed(id.0)
    } else {
        return Err(PageError::NotFound);
    };
    Ok(Redirect::to(&notice.at(back(&form.back))))
}

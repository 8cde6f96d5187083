//! Photos sent from the page.

use std::time::Duration;

use axum::Extension;
use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use tempfile::TempPath;
use tokio::time::timeout;

use super::Frontend;
use super::csrf::Token;
use super::error::PageError;
use super::site::Notice;
use crate::upload_folder::{UploadError, UploadFolder, add_rows, forget};

/// Longest token that is read, in bytes: ours are shorter.
const MAX_TOKEN_BYTES: usize = 256;

/// Longest time that a form may take to come.
const LONGEST: Duration = Duration::from_secs(300);

/// Answers `POST /upload`: one or more photos, after the token. All are stored with their rows, or nothing is.
pub(super) async fn upload(
    State(frontend): State<Frontend>,
    Extension(token): Extension<Token>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Redirect, PageError> {
    let folder = frontend.uploads.as_ref().ok_or(PageError::NotFound)?;
    let mut form = form.map_err(|error| PageError::BadForm(error.body_text()))?;
    let stored = match timeout(LONGEST, save_all(folder, &token, &mut form)).await {
        Ok(Ok(stored)) => stored,
        Ok(Err(error)) => {
            let _ = timeout(LONGEST, forget(&mut form)).await;
            return Err(error);
        }
        Err(_) => return Err(PageError::BadForm(format!("it took longer than {} seconds", LONGEST.as_secs()))),
    };
    if stored.is_empty() {
        return Err(PageError::BadForm("it holds no photo".into()));
    }
    let photos = take(frontend, stored).await?;
    Ok(Redirect::to(&Notice::Added(photos).at("/")))
}

/// Stores the rows of photos, and queues them; how many there are. What has begun ends, whether or not somebody waits
/// for it.
async fn take(frontend: Frontend, stored: Vec<TempPath>) -> Result<u64, PageError> {
    let taken = tokio::spawn(async move {
        let added = add_rows(&frontend.store, stored).await?;
        let ids: Vec<_> = added.into_iter().filter_map(|(_, added)| added.saved()).collect();
        frontend.metrics.uploaded(ids.len());
        tracing::info!(photos = ids.len(), "uploaded by hand");
        frontend.queue(&ids).await;
        Ok(ids.len() as u64)
    });
    taken.await.unwrap_or_else(|error| Err(PageError::Broken(error.to_string())))
}

/// Stores the photos of a form that has shown where it comes from.
async fn save_all(folder: &UploadFolder, token: &Token, form: &mut Multipart) -> Result<Vec<TempPath>, PageError> {
    let mut ours = false;
    let mut stored = Vec::new();
    while let Some(field) = form.next_field().await.map_err(unread)? {
        match field.name() {
            Some("token") => {
                token.check(&short_text(field).await?)?;
                ours = true;
            }
            Some("photo") if ours => stored.push(save(folder, field).await?),
            _ => return Err(PageError::ForeignForm),
        }
    }
    Ok(stored)
}

async fn save(folder: &UploadFolder, field: Field<'_>) -> Result<TempPath, PageError> {
    let name = field.file_name().unwrap_or("the photo").to_owned();
    match folder.save(field).await {
        Ok(path) => Ok(path),
        Err(UploadError::NotAPhoto) => Err(PageError::BadForm(format!("{name}: {}", UploadError::NotAPhoto))),
        Err(error @ UploadError::TooLarge { .. }) => Err(PageError::TooLarge(format!("{name}: {error}."))),
        Err(UploadError::Cut(error)) => Err(unread(error)),
        Err(error @ UploadError::Io(_)) => Err(PageError::Broken(error.to_string())),
    }
}

/// The text of a field that holds a little alone.
async fn short_text(mut field: Field<'_>) -> Result<String, PageError> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(unread)? {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_TOKEN_BYTES {
            return Err(PageError::ForeignForm);
        }
    }
    String::from_utf8(text).map_err(|_| PageError::ForeignForm)
}

fn unread(error: MultipartError) -> PageError {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => PageError::TooLarge("The photos are too large to send together.".into()),
        _ => PageError::BadForm(error.body_text()),
    }
}

//! `POST /images`: photos themselves.

use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartError, MultipartRejection};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tempfile::TempPath;

use super::answer::{self, Form};
use super::error::RequestError;
use super::intake::{Taken, TakenPhoto};
use super::{Receiver, paths};
use crate::upload_folder::{UploadError, UploadFolder, forget};

/// Answers a form with one or more photos: every field that has a file name. All are stored, or none.
pub(super) async fn post_photos(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    photos: Result<Multipart, MultipartRejection>,
) -> Response {
    let form = Form::of(&headers);
    match take(&receiver, photos).await {
        Ok(taken) => {
            let echo = paths::echo(taken.photos.iter().map(|TakenPhoto { path, .. }| path));
            (StatusCode::CREATED, answer::taken(form, &echo, &taken)).into_response()
        }
        Err(error) => error.answer(form),
    }
}

async fn take(receiver: &Receiver, photos: Result<Multipart, MultipartRejection>) -> Result<Taken, RequestError> {
    let folder = receiver.uploads.as_ref().ok_or(RequestError::NoUploads)?;
    let mut photos = photos.map_err(|error| RequestError::NotAForm { reason: error.body_text() })?;
    let stored = match save(folder, &mut photos, receiver.max_batch).await {
        Ok(stored) => stored,
        Err(error) => {
            forget(&mut photos).await;
            return Err(error);
        }
    };
    receiver.intake.take_photos(stored).await
}

async fn save(folder: &UploadFolder, photos: &mut Multipart, most: usize) -> Result<Vec<TempPath>, RequestError> {
    let mut stored = Vec::new();
    while let Some(field) = photos.next_field().await.map_err(of_form)? {
        let Some(name) = field.file_name().map(str::to_owned) else { continue };
        if stored.len() == most {
            return Err(RequestError::LargeBatch { photos: most + 1, most });
        }
        stored.push(folder.save(field).await.map_err(|error| RequestError::Photo { name, error })?);
    }
    if stored.is_empty() { Err(RequestError::NoPhoto) } else { Ok(stored) }
}

fn of_form(error: MultipartError) -> RequestError {
    RequestError::Photo { name: "the form".to_owned(), error: UploadError::Cut(error) }
}

//! One photo, with its faces.

use std::collections::HashMap;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;

use super::Frontend;
use super::assets::{ADDRESSES, Addresses};
use super::csrf::Token;
use super::error::{PageError, page};
use super::photo_id::PhotoId;
use super::site::{Notice, Photo, Section, State as Shown, counted, person, reason, said};
use crate::image::{FoundFace, ImageId, Status};
use crate::store::ImageDetail;

/// Longest side of the photo, in pixels of CSS.
const SHOWN_SIDE: u32 = 640;

#[derive(Debug, Template)]
#[template(path = "detail.html")]
struct DetailPage<'a> {
    assets: &'static Addresses,
    section: Section,
    version: u64,
    token: &'a str,
    notice: Option<String>,
    id: ImageId,
    path: &'a str,
    person: &'a str,
    state: Shown,
    reason: Option<&'a str>,
    retry: bool,
    attempts: u32,
    size: Option<(u32, u32)>,
    photo: Photo,
    alt: String,
    said: String,
    faces: Vec<Face<'a>>,
    no_faces: &'static str,
    back: String,
}

#[derive(Debug)]
struct Face<'a> {
    number: usize,
    person: &'a str,
    similarity: String,
    known_photo: &'a str,
    score: String,
}

impl<'a> Face<'a> {
    fn of(number: usize, face: &'a FoundFace) -> Self {
        let known = face.known.as_ref();
        Self {
            number,
            person: known.map_or("nobody known", |known| &known.person),
            similarity: known.map_or_else(|| "—".into(), |known| format!("{:.3}", known.similarity)),
            known_photo: known.map_or("—", |known| &known.image_name),
            score: format!("{:.3}", face.score),
        }
    }
}

/// Answers `/photos/{id}`.
pub(super) async fn detail(
    State(frontend): State<Frontend>,
    Extension(token): Extension<Token>,
    PhotoId(id): PhotoId,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, PageError> {
    let version = frontend.version.get(&frontend.store).await?;
    let ImageDetail { summary, faces, attempts } = frontend.store.image(id).await?.ok_or(PageError::NotFound)?;
    let mut photo = Photo::new(format!("/photos/{id}/picture"), &summary, SHOWN_SIDE);
    for (number, face) in (1..).zip(&faces) {
        photo.add(face, Some(number));
    }
    page(&DetailPage {
        assets: &ADDRESSES,
        section: Section::Other,
        version,
        token: token.text(),
        notice: Notice::from_query(&query).map(Notice::text),
        id,
        path: &summary.path,
        person: person(&summary),
        state: Shown::of(summary.status),
        reason: reason(&summary),
        retry: summary.status == Some(Status::Failed),
        attempts,
        size: photo.size,
        alt: alt(&faces),
        said: said(&summary),
        no_faces: no_faces(summary.status, photo.size.is_some()),
        faces: (1..).zip(&faces).map(|(number, face)| Face::of(number, face)).collect(),
        photo,
        back: format!("/photos/{id}"),
    })
}

/// What somebody who does not see the photo is told.
fn alt(faces: &[FoundFace]) -> String {
    let mut people: Vec<&str> = Vec::new();
    for known in faces.iter().filter_map(|face| face.known.as_ref()) {
        if !people.contains(&known.person.as_str()) {
            people.push(&known.person);
        }
    }
    match (faces.len(), people.is_empty()) {
        (0, _) => "The photo".into(),
        (number, true) => format!("The photo, with {}", counted(number as u64, "face", "faces")),
        (number, false) => {
            format!("The photo, with {}: {}", counted(number as u64, "face", "faces"), people.join(", "))
        }
    }
}

/// Why there is no table of faces.
fn no_faces(status: Option<Status>, measured: bool) -> &'static str {
    match status {
        Some(Status::Pending | Status::Processing) => "The photo has not been looked at yet.",
        _ if measured => "There is no face on the photo.",
        _ => "The recognizer told nothing about faces.",
    }
}

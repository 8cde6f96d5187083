//! `ListPeople`: who is known.

use std::collections::HashMap;

use facerecog_engine::gallery::{self, Gallery};
use tonic::{Code, Request, Response, Status};

use super::RecognizerService;
use super::enroll::blocking;
use super::proto::{KnownPhoto, ListPeopleRequest, ListPeopleResponse, Person};
use crate::grpc::status::refusal;

const DEFAULT_PAGE: usize = 1_000;
const LARGEST_PAGE: usize = 10_000;

impl RecognizerService {
    pub(super) async fn list_known_people(
        &self,
        request: Request<ListPeopleRequest>,
    ) -> Result<Response<ListPeopleResponse>, Status> {
        let request = request.into_inner();
        let after = last_name(&request.page_token)?;
        let size = match request.page_size as usize {
            0 => DEFAULT_PAGE,
            size => size.min(LARGEST_PAGE),
        };
        let gallery = self.live.gallery().await?;
        let page = move || page(&gallery, after.as_deref(), size, request.include_photos);
        blocking(page).await.map(Response::new)
    }
}

/// The people whose names come after `after`.
fn page(gallery: &Gallery, after: Option<&str>, size: usize, include_photos: bool) -> ListPeopleResponse {
    let mut following = gallery.people().filter(|person| after.is_none_or(|after| person.name > after));
    let known: Vec<gallery::Person<'_>> = following.by_ref().take(size).collect();
    let next_page_token = match (following.next(), known.last()) {
        (Some(_), Some(last)) => token(last.name),
        _ => String::new(),
    };
    let person = |person: &gallery::Person<'_>| Person {
        name: person.name.to_owned(),
        photo_count: person.rows,
        photos: Vec::new(),
    };
    let mut people: Vec<Person> = known.iter().map(person).collect();
    if include_photos {
        let places: HashMap<&str, usize> = known.iter().zip(0..).map(|(person, place)| (person.name, place)).collect();
        for row in (0..gallery.rows()).map(|row| gallery.row(row)) {
            if let Some(&place) = places.get(row.person) {
                let image_name = row.image_name.to_owned();
                people[place].photos.push(KnownPhoto { image_name, score: row.score, quality: row.quality });
            }
        }
    }
    let total = u32::try_from(gallery.people().len()).unwrap_or(u32::MAX);
    ListPeopleResponse { people, next_page_token, total, generation: gallery.generation() }
}

/// Where the next page begins: after a name, so that it holds for a gallery that has changed meanwhile. In
/// hexadecimal, so that nobody takes it for a name.
pub(super) fn token(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn last_name(token: &str) -> Result<Option<String>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let (pairs, rest) = token.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes
        .filter(|_| rest.is_empty())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Some)
        .ok_or_else(|| refusal(Code::InvalidArgument, "bad_page_token", "page_token is none of this server's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_hold_any_name_and_nothing_else() {
        for name in ["ada", "赵薇", " ", "\u{10ffff}"] {
            assert_eq!(last_name(&token(name)).unwrap().as_deref(), Some(name));
        }
        assert_eq!(last_name("").unwrap(), None);
        for bad in ["a", "zz", "+1", "ff", "赵", "6"] {
            assert_eq!(last_name(bad).unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }
}

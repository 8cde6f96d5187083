//! The table of photos.

use std::collections::HashMap;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Serialize;

use super::Frontend;
use super::assets::{ADDRESSES, Addresses};
use super::csrf::Token;
use super::error::{PageError, page};
use super::site::{Notice, Photo, Section, State as Shown, counted, person, reason, said};
use crate::image::{ImageId, Status};
use crate::store::{Filter, ImageSummary};

/// Photos on a page.
const PAGE_SIZE: u32 = 25;

/// Longest side of a photo in the table, in pixels of CSS.
const SHOWN_SIDE: u32 = 96;

/// Longest name that is searched for, in characters: as long as the database stores.
const LONGEST_NAME: usize = 255;

const STATUSES: [Status; 4] = [Status::Pending, Status::Processing, Status::Processed, Status::Failed];

/// What the address asks for. Whatever makes no sense is left out: an address can be mistyped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    filter: Filter,
    /// From 1.
    page: u32,
}

#[derive(Debug, Serialize)]
struct Address<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
}

impl View {
    fn from_query(query: &HashMap<String, String>) -> Self {
        let text = |name: &str| query.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let status = text("status");
        let status = STATUSES.into_iter().find(|&known| status == Some(Shown::of(Some(known)).class));
        let person = text("person").map(|name| name.chars().take(LONGEST_NAME).collect());
        let page = text("page").and_then(|page| page.parse().ok()).filter(|&page| page > 0).unwrap_or(1);
        Self { filter: Filter { status, person }, page }
    }

    /// The address of another page of it.
    fn address(&self, page: u32) -> String {
        address(&self.filter, page)
    }
}

/// The address of photos of a person that have their answer.
pub(super) fn address_of_person(name: &str) -> String {
    address(&Filter { status: Some(Status::Processed), person: Some(name.to_owned()) }, 1)
}

fn address(filter: &Filter, page: u32) -> String {
    let status = filter.status.map(|status| Shown::of(Some(status)).class);
    let person = filter.person.as_deref();
    let query = serde_urlencoded::to_string(Address { status, person, page: (page > 1).then_some(page) });
    match query {
        Ok(query) if !query.is_empty() => format!("/?{query}"),
        _ => "/".to_owned(),
    }
}

#[derive(Debug, Template)]
#[template(path = "list.html")]
struct ListPage<'a> {
    assets: &'static Addresses,
    section: Section,
    version: u64,
    token: &'a str,
    notice: Option<String>,
    choices: Vec<Choice>,
    person: &'a str,
    filtered: bool,
    uploads: bool,
    count: String,
    rows: Vec<Row<'a>>,
    back: String,
    page: u32,
    pages: u64,
    newer: Option<String>,
    older: Option<String>,
}

#[derive(Debug)]
struct Choice {
    state: Shown,
    chosen: bool,
}

#[derive(Debug)]
struct Row<'a> {
    id: ImageId,
    path: &'a str,
    person: &'a str,
    state: Shown,
    reason: Option<&'a str>,
    retry: bool,
    photo: Photo,
    said: String,
}

impl<'a> Row<'a> {
    fn of(image: &'a ImageSummary) -> Self {
        let mut photo = Photo::new(format!("/photos/{}/thumbnail", image.id), image, SHOWN_SIDE);
        if let Some(face) = &image.face {
            photo.add(face, None);
        }
        Self {
            id: image.id,
            path: &image.path,
            person: person(image),
            state: Shown::of(image.status),
            reason: reason(image),
            retry: image.status == Some(Status::Failed),
            photo,
            said: said(image),
        }
    }
}

/// Answers `/`.
pub(super) async fn list(
    State(frontend): State<Frontend>,
    Extension(token): Extension<Token>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, PageError> {
    let view = View::from_query(&query);
    // The version comes first: a change in between is met with again, and never missed.
    let version = frontend.version.get(&frontend.store).await?;
    let found = frontend.store.page(&view.filter, view.page - 1, PAGE_SIZE).await?;
    let pages = found.total.div_ceil(u64::from(PAGE_SIZE));
    let count = counted(found.total, "photo", "photos");
    let filtered = view.filter != Filter::default();
    page(&ListPage {
        assets: &ADDRESSES,
        section: Section::Photos,
        version,
        token: token.text(),
        notice: Notice::from_query(&query).map(Notice::text),
        choices: STATUSES
            .map(|status| Choice { state: Shown::of(Some(status)), chosen: view.filter.status == Some(status) })
            .into(),
        person: view.filter.person.as_deref().unwrap_or_default(),
        filtered,
        uploads: frontend.uploads.is_some(),
        count: if filtered { format!("{count} found") } else { count },
        rows: found.images.iter().map(Row::of).collect(),
        back: view.address(view.page),
        page: view.page,
        pages,
        newer: (view.page > 1).then(|| view.address(view.page - 1)),
        older: (u64::from(view.page) < pages).then(|| view.address(view.page + 1)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(query: &[(&str, &str)]) -> View {
        View::from_query(&query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let all = View { filter: Filter::default(), page: 1 };
        for query in [
            &[][..],
            &[("status", ""), ("person", "  "), ("page", "0")],
            &[("status", "4"), ("page", "-1")],
            &[("status", "' or 1=1"), ("page", "99999999999")],
        ] {
            assert_eq!(view(query), all, "{query:?}");
        }
        assert_eq!(view(&[("person", &"x".repeat(300))]).filter.person.unwrap().len(), 255);
    }

    #[test]
    fn an_address_leads_to_the_same_view() {
        for (status, person) in [("failed", ""), ("", "a&b=c #+%é"), ("processing", "<script>")] {
            let view = view(&[("status", status), ("person", person), ("page", "3")]);
            let address = view.address(view.page);
            let query: HashMap<String, String> =
                serde_urlencoded::from_str(address.strip_prefix("/?").unwrap()).unwrap();
            assert_eq!(View::from_query(&query), view, "{address}");
        }
        assert_eq!(view(&[("page", "2")]).address(1), "/");
    }
}

//! Everybody known, and how often they were seen.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Frontend;
use super::assets::{ADDRESSES, Addresses};
use super::error::{PageError, page};
use super::list::address_of_person;
use super::site::{Section, counted};
use crate::store::PersonSummary;

#[derive(Debug, Template)]
#[template(path = "people.html")]
struct PeoplePage<'a> {
    assets: &'static Addresses,
    section: Section,
    version: u64,
    count: String,
    rows: Vec<Row<'a>>,
}

#[derive(Debug)]
struct Row<'a> {
    id: i64,
    name: &'a str,
    enrolled: u64,
    seen: u64,
    /// Of the photos, when there are any.
    address: Option<String>,
    said: String,
}

impl<'a> Row<'a> {
    fn of(PersonSummary { id, name, enrolled, seen }: &'a PersonSummary) -> Self {
        let said = format!("{name}: seen on {}.", counted(*seen, "photo", "photos"));
        let address = (*seen > 0).then(|| address_of_person(name));
        Self { id: *id, name, enrolled: *enrolled, seen: *seen, address, said }
    }
}

/// Answers `/people`.
pub(super) async fn people(State(frontend): State<Frontend>) -> Result<Response, PageError> {
    let version = frontend.version.get(&frontend.store).await?;
    let people = frontend.store.people().await?;
    let count = counted(people.len() as u64, "person", "people");
    let rows = people.iter().map(Row::of).collect();
    page(&PeoplePage { assets: &ADDRESSES, section: Section::People, version, count, rows })
}

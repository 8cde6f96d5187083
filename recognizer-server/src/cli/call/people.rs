//! `recognizer call people`.

use clap::Args;
use serde::Serialize;

use super::{CliError, Client, Outcome, Output, table};
use crate::grpc::proto;

/// List the known people
#[derive(Debug, Args)]
pub(super) struct People {
    /// Name the photos of each
    #[arg(long)]
    photos: bool,
}

#[derive(Serialize)]
struct PersonRecord {
    person: String,
    photo_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    photos: Option<Vec<KnownPhotoRecord>>,
}

#[derive(Serialize)]
struct KnownPhotoRecord {
    image_name: String,
    score: f32,
    quality: f32,
}

impl People {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<Outcome, CliError> {
        let mut recognizer = client.recognizer();
        let mut page_token = String::new();
        loop {
            let request = proto::ListPeopleRequest { page_size: 0, page_token, include_photos: self.photos };
            let answer = recognizer.list_people(request).await?.into_inner();
            let people: Vec<PersonRecord> = answer.people.into_iter().map(|person| self.record(person)).collect();
            if output.is_json() {
                for person in &people {
                    output.answer(person, String::new)?;
                }
            } else if !people.is_empty() {
                output.text(describe(&people))?;
            }
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(Outcome::Complete);
            }
        }
    }

    fn record(&self, person: proto::Person) -> PersonRecord {
        let photos = person.photos.into_iter().map(|photo| KnownPhotoRecord {
            image_name: photo.image_name,
            score: photo.score,
            quality: photo.quality,
        });
        PersonRecord {
            person: person.name,
            photo_count: person.photo_count,
            photos: self.photos.then(|| photos.collect()),
        }
    }
}

fn describe(people: &[PersonRecord]) -> String {
    let rows: Vec<Vec<String>> = people
        .iter()
        .map(|person| {
            let names = person.photos.iter().flatten().map(|photo| photo.image_name.as_str());
            vec![person.person.clone(), person.photo_count.to_string(), names.collect::<Vec<_>>().join(", ")]
        })
        .collect();
    table::table(&rows)
}

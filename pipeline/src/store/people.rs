//! `person` and `person_images`.

use super::dialect::{Dialect, on_database, transaction};
use super::{PersonSummary, Store, StoreError};
use crate::image::Person;

/// Characters that the original's columns hold.
const LONGEST_NAME: usize = 255;

/// The original's lookup, but byte for byte: MySQL's collation would take `A.jpg` for `a.jpg`.
const PERSON_OF: &str = "select person.id, person.name, pi.image_name from person \
     inner join person_images as pi on person.id = pi.person_id where pi.image_name = ? order by pi.id";

impl Store {
    /// The person whom `person_images` has for the file name of a known photo.
    pub async fn person_of(&self, image_name: &str) -> Result<Option<Person>, StoreError> {
        let rows: Vec<(i64, String, String)> =
            on_database!(self, |pool, D| sqlx::query_as(PERSON_OF).bind(image_name).fetch_all(pool).await)?;
        Ok(named(rows, image_name))
    }

    /// As [`Store::person_of`]; somebody whom only the recognizer knows is stored, with that known photo.
    pub async fn person_or_new(&self, image_name: &str, name: &str) -> Result<Person, StoreError> {
        if let Some(person) = self.person_of(image_name).await? {
            return Ok(person);
        }
        let name: String = name.chars().take(LONGEST_NAME).collect();
        let lock = format!("person:{name}").into_bytes();
        transaction!(self, |tx, D| {
            if D::LOCKS_NAMES {
                sqlx::query(
                    "insert into name_locks (name) values (?) \
                     on duplicate key update name_locks.name = name_locks.name",
                )
                .bind(&lock)
                .execute(&mut *tx)
                .await?;
            }
            // Another processor may have stored them meanwhile.
            let rows = sqlx::query_as(PERSON_OF).bind(image_name).fetch_all(&mut *tx).await?;
            let person = match named(rows, image_name) {
                Some(person) => person,
                None => {
                    const BY_NAME: &str = "select id, name from person where name = ? order by id";
                    let rows: Vec<(i64, String)> = sqlx::query_as(BY_NAME).bind(&name).fetch_all(&mut *tx).await?;
                    let mut id = rows.iter().find(|row| row.1 == name).map(|row| row.0);
                    if id.is_none() {
                        sqlx::query("insert into person (name) values (?)").bind(&name).execute(&mut *tx).await?;
                        let rows: Vec<(i64, String)> = sqlx::query_as(BY_NAME).bind(&name).fetch_all(&mut *tx).await?;
                        id = rows.iter().find(|row| row.1 == name).map(|row| row.0);
                    }
                    let id = id.ok_or(sqlx::Error::RowNotFound)?;
                    sqlx::query("insert into person_images (image_name, person_id) values (?, ?)")
                        .bind(image_name)
                        .bind(id)
                        .execute(&mut *tx)
                        .await?;
                    Person { id, name: name.clone() }
                }
            };
            if D::LOCKS_NAMES {
                sqlx::query("delete from name_locks where name = ?").bind(&lock).execute(&mut *tx).await?;
            }
            Ok(person)
        })
    }

    /// Everybody in `person`, by name.
    pub async fn people(&self) -> Result<Vec<PersonSummary>, StoreError> {
        let rows: Vec<(i64, String, i64, i64)> = on_database!(self, |pool, D| {
            sqlx::query_as(
                "select person.id, person.name, coalesce(known.photos, 0), coalesce(probes.photos, 0) from person \
                 left join (select person_id, count(*) as photos from person_images group by person_id) as known \
                 on known.person_id = person.id \
                 left join (select person, count(*) as photos from images where status = 1 group by person) as probes \
                 on probes.person = person.id order by person.name, person.id",
            )
            .fetch_all(pool)
            .await
        })?;
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(rows
            .into_iter()
            .map(|(id, name, enrolled, seen)| PersonSummary { id, name, enrolled: count(enrolled), seen: count(seen) })
            .collect())
    }
}

fn named(rows: Vec<(i64, String, String)>, image_name: &str) -> Option<Person> {
    rows.into_iter().find(|row| row.2 == image_name).map(|(id, name, _)| Person { id, name })
}

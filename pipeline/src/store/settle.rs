//! A claimed photo gets its answer.

use sqlx::{AssertSqlSafe, QueryBuilder};

use super::claim::IS_OURS;
use super::dialect::{Dialect, transaction};
use super::face::{finite, told_by};
use super::{Store, StoreError, key};
use crate::image::{Image, Person, Recognition, Status};

/// Characters of a reason that are kept.
const LONGEST_REASON: usize = 1000;

impl Store {
    /// Settles a claimed photo as PROCESSED. False when it is not the caller's any more: nothing is changed then.
    pub async fn processed(&self, image: &Image, person: &Person, found: &Recognition) -> Result<bool, StoreError> {
        self.settle(image, Status::Processed, Some(person), None, Some(found)).await
    }

    /// Settles a claimed photo as FAILED for `reason`, with the faces found if any. False as for
    /// [`Store::processed`].
    pub async fn failed(&self, image: &Image, reason: &str, found: Option<&Recognition>) -> Result<bool, StoreError> {
        self.settle(image, Status::Failed, None, Some(reason), found).await
    }

    async fn settle(
        &self,
        image: &Image,
        status: Status,
        person: Option<&Person>,
        reason: Option<&str>,
        found: Option<&Recognition>,
    ) -> Result<bool, StoreError> {
        let key = key(image.id);
        let status = status as i32;
        let reason: Option<String> = reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
        let size = found.filter(|found| found.width > 0 && found.height > 0);
        let told = found.and_then(told_by);
        transaction!(self, |tx, D| {
            // Whose person it was stays as it is when there is nobody.
            let update = format!("update images set status = {status}, person = coalesce(?, person) where {IS_OURS}");
            let ours = sqlx::query(AssertSqlSafe(update))
                .bind(person.map(|person| person.id))
                .bind(key)
                .bind(image.claim)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                == 1;
            if !ours {
                return Ok(false);
            }
            let update = format!(
                "update image_work set status = {status}, since = {now}, lease_until = null, reason = ?, width = ?, \
                 height = ? where image_id = ?",
                now = D::NOW
            );
            sqlx::query(AssertSqlSafe(update))
                .bind(&reason)
                .bind(size.map(|found| i64::from(found.width)))
                .bind(size.map(|found| i64::from(found.height)))
                .bind(key)
                .execute(&mut *tx)
                .await?;
            sqlx::query("delete from image_faces where image_id = ?").bind(key).execute(&mut *tx).await?;
            let faces: Vec<_> = found.map_or(&[][..], |found| &found.faces).iter().enumerate().collect();
            for faces in faces.chunks(100) {
                QueryBuilder::new(
                    "insert into image_faces \
                     (image_id, position, x, y, width, height, score, image_name, person, similarity, told) ",
                )
                .push_values(faces, |mut row, (position, face)| {
                    let known = face.known.as_ref();
                    row.push_bind(key)
                        .push_bind(*position as i64)
                        .push_bind(finite(face.x))
                        .push_bind(finite(face.y))
                        .push_bind(finite(face.width))
                        .push_bind(finite(face.height))
                        .push_bind(finite(face.score))
                        .push_bind(known.map(|known| known.image_name.clone()))
                        .push_bind(known.map(|known| known.person.clone()))
                        .push_bind(known.map(|known| finite(known.similarity)))
                        .push_bind(i64::from(told == Some(*position)));
                })
                .build()
                .execute(&mut *tx)
                .await?;
            }
            Ok(true)
        })
    }
}

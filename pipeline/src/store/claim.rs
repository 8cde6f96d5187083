//! A photo is one processor's at a time.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::dialect::{Dialect, on_database, transaction};
use super::{Claim, Store, StoreError, key, milliseconds};
use crate::image::{Image, ImageId, Status};

/// Condition on a row of `images`: it is PROCESSING, and under the claim bound last.
pub(super) const IS_OURS: &str = "id = ? and status = 3 and exists \
     (select 1 from image_work as work where work.image_id = images.id and work.claims = ?)";

impl Store {
    /// Makes a PENDING photo the caller's alone, as PROCESSING, for `lease`: one conditional update.
    pub async fn claim(&self, id: ImageId, lease: Duration) -> Result<Claim, StoreError> {
        let key = key(id);
        let lease = milliseconds(lease);
        transaction!(self, |tx, D| {
            let now = D::NOW;
            let update = format!(
                "update images set status = 3 where id = ? and status = 0 and not exists \
                 (select 1 from image_work as work where work.image_id = images.id and work.not_before > {now})"
            );
            let won = sqlx::query(AssertSqlSafe(update)).bind(key).execute(&mut *tx).await?.rows_affected() == 1;
            if !won {
                // With a lock: MariaDB lets others have a row before a plain read sees what was stored in it.
                let select = format!(
                    "select images.status, work.not_before - {now} from images \
                     left join image_work as work on work.image_id = images.id where images.id = ?{}",
                    D::FOR_UPDATE
                );
                let row: Option<(Option<i64>, Option<i64>)> =
                    sqlx::query_as(AssertSqlSafe(select)).bind(key).fetch_optional(&mut *tx).await?;
                return Ok(match row {
                    None => Claim::Missing,
                    Some((Some(0), wait)) => {
                        Claim::NotYet(Duration::from_millis(wait.unwrap_or_default().try_into().unwrap_or_default()))
                    }
                    Some(_) => Claim::Taken,
                });
            }
            let update = format!(
                "update image_work set status = 3, since = {now}, attempts = attempts + 1, claims = claims + 1, \
                 lease_until = {now} + ?, not_before = null, reason = null where image_id = ?"
            );
            let known = sqlx::query(AssertSqlSafe(update)).bind(lease).bind(key).execute(&mut *tx).await?;
            if known.rows_affected() == 0 {
                // A row of the original receiver's.
                let insert = format!(
                    "insert into image_work (image_id, status, since, attempts, claims, lease_until) \
                     values (?, 3, {now}, 1, 1, {now} + ?)"
                );
                sqlx::query(AssertSqlSafe(insert)).bind(key).bind(lease).execute(&mut *tx).await?;
            }
            let (path, attempts, claim): (String, i64, i64) = sqlx::query_as(
                "select images.path, work.attempts, work.claims from images \
                 join image_work as work on work.image_id = images.id where images.id = ?",
            )
            .bind(key)
            .fetch_one(&mut *tx)
            .await?;
            Ok(Claim::Claimed(Image { id, path, attempts: attempts.try_into().unwrap_or(0), claim }))
        })
    }

    /// Prolongs the lease of a claimed photo.
    pub async fn extend(&self, image: &Image, lease: Duration) -> Result<(), StoreError> {
        on_database!(self, |pool, D| {
            let update = format!(
                "update image_work set lease_until = {now} + ? where image_id = ? and claims = ? and status = 3",
                now = D::NOW
            );
            sqlx::query(AssertSqlSafe(update))
                .bind(milliseconds(lease))
                .bind(key(image.id))
                .bind(image.claim)
                .execute(pool)
                .await
                .map(drop)
        })
    }

    /// Gives a claimed photo back as PENDING, as if it had not been tried: the service failed, not the photo.
    pub async fn release(&self, image: &Image) -> Result<(), StoreError> {
        transaction!(self, |tx, D| {
            let update = format!("update images set status = {} where {IS_OURS}", Status::Pending as i32);
            let given = sqlx::query(AssertSqlSafe(update))
                .bind(key(image.id))
                .bind(image.claim)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if given == 1 {
                let update = format!(
                    "update image_work set status = 0, since = {now}, attempts = attempts - 1, claims = claims + 1, \
                     lease_until = null where image_id = ?",
                    now = D::NOW
                );
                sqlx::query(AssertSqlSafe(update)).bind(key(image.id)).execute(&mut *tx).await?;
            }
            Ok(())
        })
    }
}

//! Photos that failed, or hang, get another try.

use sqlx::AssertSqlSafe;

use super::dialect::{Dialect, transaction};
use super::incoming::{CHUNK, list};
use super::{RedeemPolicy, Store, StoreError, id_of, key, milliseconds};
use crate::image::ImageId;

/// What a photo FAILED for that nobody answered for.
const NO_ANSWER: &str = "every try ended without an answer";
/// Tries that a photo has at once after its processor vanished. One that outlived more of them may be the cause, and
/// waits as a failed one does.
const TRIES_AT_ONCE: i64 = 1;

/// Delays, by the number of tries so far.
#[derive(Debug, Clone, Copy)]
struct Delays {
    first: i64,
    longest: i64,
    /// Tries up to which the doubled delay is below the longest.
    doubled: i64,
}

impl Delays {
    fn new(policy: &RedeemPolicy) -> Self {
        let longest = milliseconds(policy.longest_delay);
        let first = milliseconds(policy.first_delay).min(longest);
        let doubled = (1..50).take_while(|tries| first << (tries - 1) <= longest).last().unwrap_or(1);
        Self { first, longest, doubled }
    }

    fn after(self, tries: i64) -> i64 {
        if tries > self.doubled { self.longest } else { self.first << (tries - 1).max(0) }
    }

    /// [`Delays::after`] `work.attempts` tries.
    fn sql(self) -> String {
        let Self { first, longest, doubled } = self;
        format!(
            "case when work.attempts > {doubled} then {longest} when work.attempts <= 1 then {first} \
             else {first} << (work.attempts - 1) end"
        )
    }
}

/// Selects photos (`images`, `work`) of which `condition` is true and makes them the transaction's.
macro_rules! lock_rows {
    ($tx:ident, $dialect:ident, $columns:expr, $condition:expr, $limit:expr) => {{
        let from = "from images left join image_work as work on work.image_id = images.id";
        let find = format!("select images.id {from} where {} order by images.id limit {}", $condition, $limit);
        let found: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(find)).persistent(false).fetch_all(&mut *$tx).await?;
        let mut rows = Vec::new();
        // Found by an index and locked by their keys: in the order in which claims lock them, too.
        for found in found.chunks(CHUNK) {
            let lock = format!(
                "select {} {from} where images.id in ({}) and {} order by images.id{}",
                $columns,
                list(found),
                $condition,
                <$dialect as Dialect>::FOR_UPDATE
            );
            rows.append(&mut sqlx::query_as(AssertSqlSafe(lock)).persistent(false).fetch_all(&mut *$tx).await?);
        }
        rows
    }};
}

/// Runs a statement that has `{}` for keys, for all of them.
macro_rules! for_keys {
    ($tx:ident, $keys:expr, |$list:ident| $statement:expr) => {
        for keys in $keys.chunks(CHUNK) {
            let $list = list(keys);
            sqlx::query(AssertSqlSafe($statement)).persistent(false).execute(&mut *$tx).await?;
        }
    };
}

impl Store {
    /// Makes FAILED photos PENDING that may be tried again by now, and PROCESSING ones whose lease has ended, at
    /// most `limit`; puts them in the outbox, and gives their ids. PENDING rows that are in no outbox and older
    /// than `policy.stuck_after` are given too: their message may be lost, and claiming makes a second one harmless.
    ///
    /// Rows that an original service changed have no time: they are as old as the first call that met them, and those
    /// that were FAILED before ours ran at all are tried at once. A PROCESSING photo that has had its tries becomes
    /// FAILED.
    pub async fn redeem(&self, policy: &RedeemPolicy, limit: u32) -> Result<Vec<ImageId>, StoreError> {
        let delays = Delays::new(policy);
        let delay = delays.sql();
        let most = i64::from(policy.max_attempts);
        let stuck_after = milliseconds(policy.stuck_after);
        let limit = limit as usize;
        let keys: Vec<i64> = transaction!(self, |tx, D| {
            let insert_new = D::INSERT_NEW;
            let now: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select {}", D::NOW))).fetch_one(&mut *tx).await?;

            let unseen = "images.status in (0, 2, 3) and (work.image_id is null or work.status <> images.status)";
            // As many as may be given anyway: a table of a million old rows is met in several calls.
            let rows: Vec<(i64, i64, Option<i64>)> =
                lock_rows!(tx, D, "images.id, images.status, work.status", unseen, limit.max(CHUNK));
            for status in [0, 2, 3] {
                let failed = status == 2;
                let (tries, since) = if failed { (1, 0) } else { (0, now) };
                let new: Vec<i64> = rows.iter().filter(|row| row.1 == status && row.2.is_none()).map(|r| r.0).collect();
                for_keys!(tx, new, |keys| format!(
                    "{insert_new} image_work (image_id, status, since, attempts) \
                     select id, {status}, {since}, {tries} from images where id in ({keys})"
                ));
                let old: Vec<i64> = rows.iter().filter(|row| row.1 == status && row.2.is_some()).map(|r| r.0).collect();
                for_keys!(tx, old, |keys| format!(
                    "update image_work set status = {status}, since = {now}, attempts = attempts + {tries}, \
                     claims = claims + 1, lease_until = null, reason = null where image_id in ({keys})"
                ));
            }

            let mut given: Vec<i64> = Vec::new();
            let failed = format!(
                "images.status = 2 and work.status = 2 and work.attempts < {most} and work.since + {delay} <= {now}"
            );
            let rows: Vec<(i64,)> = lock_rows!(tx, D, "images.id", failed, limit);
            let failed: Vec<i64> = rows.into_iter().map(|row| row.0).collect();
            for_keys!(tx, failed, |keys| format!("update images set status = 0 where id in ({keys})"));
            for_keys!(tx, failed, |keys| format!(
                "update image_work set status = 0, since = {now}, claims = claims + 1, lease_until = null, \
                 not_before = null where image_id in ({keys})"
            ));
            given.extend(failed);

            let hanging = format!(
                "images.status = 3 and work.status = 3 and (work.lease_until <= {now} \
                 or work.lease_until is null and work.since + {stuck_after} <= {now})"
            );
            let rows: Vec<(i64, i64, Option<i64>)> =
                lock_rows!(tx, D, "images.id, work.attempts, work.lease_until", hanging, limit - given.len());
            for (id, attempts, lease) in rows {
                // The original's processor counts no tries.
                let tries = attempts + i64::from(lease.is_none());
                let again = tries < most;
                let status = if again { 0 } else { 2 };
                let not_before = if tries > TRIES_AT_ONCE { now + delays.after(tries) } else { now };
                sqlx::query("update images set status = ? where id = ?")
                    .bind(status)
                    .bind(id)
                    .execute(&mut *tx)
                    .await?;
                sqlx::query(
                    "update image_work set status = ?, since = ?, attempts = ?, claims = claims + 1, \
                     lease_until = null, not_before = ?, reason = ? where image_id = ?",
                )
                .bind(status)
                .bind(now)
                .bind(tries)
                .bind(again.then_some(not_before))
                .bind((!again).then_some(NO_ANSWER))
                .bind(id)
                .execute(&mut *tx)
                .await?;
                if again {
                    given.push(id);
                }
            }

            // One that is to wait comes back by its message until then. Only a queue that has lost all of them gets it
            // at once.
            let until = if stuck_after == 0 { i64::MAX } else { now };
            let lost = format!(
                "images.status = 0 and work.status = 0 and work.since + {stuck_after} <= {now} \
                 and (work.not_before is null or work.not_before <= {until}) \
                 and not exists (select 1 from outbox where outbox.image_id = images.id)"
            );
            let rows: Vec<(i64,)> = lock_rows!(tx, D, "images.id", lost, limit - given.len());
            let lost: Vec<i64> = rows.into_iter().map(|row| row.0).collect();
            for_keys!(tx, lost, |keys| format!("update image_work set since = {now} where image_id in ({keys})"));
            given.extend(lost);

            given.sort_unstable();
            for_keys!(tx, given, |keys| format!(
                "{insert_new} outbox (image_id, since) select id, {now} from images where id in ({keys})"
            ));
            Ok(given)
        })?;
        Ok(keys.into_iter().map(id_of).collect())
    }

    /// Makes one FAILED photo PENDING at once, its attempts forgotten, and puts it in the outbox. False when it is
    /// not FAILED.
    pub async fn retry(&self, id: ImageId) -> Result<bool, StoreError> {
        let key = key(id);
        transaction!(self, |tx, D| {
            let (insert_new, now) = (D::INSERT_NEW, D::NOW);
            let update = "update images set status = 0 where id = ? and status = 2";
            if sqlx::query(update).bind(key).execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let insert = format!("{insert_new} image_work (image_id, status, since) values (?, 0, {now})");
            sqlx::query(AssertSqlSafe(insert)).bind(key).execute(&mut *tx).await?;
            let update = format!(
                "update image_work set status = 0, since = {now}, attempts = 0, claims = claims + 1, \
                 lease_until = null, not_before = null where image_id = ?"
            );
            sqlx::query(AssertSqlSafe(update)).bind(key).execute(&mut *tx).await?;
            let insert = format!("{insert_new} outbox (image_id, since) values (?, {now})");
            sqlx::query(AssertSqlSafe(insert)).bind(key).execute(&mut *tx).await?;
            Ok(true)
        })
    }
}

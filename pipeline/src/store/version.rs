//! Whether anything has changed, for live pages.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::dialect::on_database;
use super::{Store, StoreError};

/// What changes when a photo does, by ours or by an original service, read from indexes alone: newest photo, time of the
/// newest change and how many have it, and how many photos wait and are being processed.
type State = (Option<i64>, Option<i64>, i64, i64, i64);

/// Counts the states that were seen.
#[derive(Debug)]
pub(super) struct Version(Mutex<(Option<State>, u64)>);

impl Version {
    /// Begins at the time, so that a service that starts again does not repeat its numbers.
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self(Mutex::new((None, now as u64)))
    }

    fn seen(&self, state: State) -> u64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != Some(state) {
            *last = (Some(state), last.1 + 1);
        }
        last.1
    }
}

impl Store {
    /// A number that grows with every change of a photo, for live pages.
    pub async fn version(&self) -> Result<u64, StoreError> {
        let state: State = on_database!(self, |pool, D| {
            sqlx::query_as(
                "select (select max(id) from images), (select max(since) from image_work), \
                 (select count(*) from image_work where since = (select max(since) from image_work)), \
                 (select count(*) from images where status = 0), (select count(*) from images where status = 3)",
            )
            .fetch_one(pool)
            .await
        })?;
        Ok(self.version.seen(state))
    }
}

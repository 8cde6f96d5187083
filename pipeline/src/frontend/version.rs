//! The number that open pages ask for.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Frontend;
use super::error::PageError;
use crate::store::{Store, StoreError};

/// How old an answer may be: the database is asked no oftener, however many pages are open.
const KEPT: Duration = Duration::from_millis(500);

/// The store's version, asked for at most once in [`KEPT`].
#[derive(Debug, Clone, Default)]
pub(super) struct Version(Arc<Mutex<Option<(Instant, u64)>>>);

impl Version {
    pub(super) async fn get(&self, store: &Store) -> Result<u64, StoreError> {
        let mut last = self.0.lock().await;
        match *last {
            Some((asked, version)) if asked.elapsed() < KEPT => Ok(version),
            _ => {
                let asked = Instant::now();
                let version = store.version().await?;
                *last = Some((asked, version));
                Ok(version)
            }
        }
    }
}

/// Answers `/version`.
pub(super) async fn version(State(frontend): State<Frontend>) -> Result<String, PageError> {
    Ok(format!("{}\n", frontend.version.get(&frontend.store).await?))
}

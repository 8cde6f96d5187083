//! Trying again while the database is away.

use std::future::Future;
use std::time::Duration;

use crate::store::StoreError;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The result of `statement`, which is tried again for at most `limit` while the database does not answer.
pub(super) async fn patiently<T, F>(limit: Duration, mut statement: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let started = tokio::time::Instant::now();
    let mut wait = FIRST_WAIT;
    loop {
        match statement().await {
            Err(error) if error.is_temporary() && started.elapsed() < limit => {
                tracing::debug!(%error, "the database does not answer: tried again");
            }
            result => return result,
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

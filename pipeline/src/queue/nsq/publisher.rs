//! Publishes to one nsqd.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::connection::{Connection, Heartbeat};
use super::{ANSWER_TIMEOUT, command};
use crate::image::ImageId;
use crate::queue::QueueError;

/// Time for each id beyond [`ANSWER_TIMEOUT`]: an nsqd that brings every message to the disk takes a millisecond.
const PATIENCE_PER_ID: Duration = Duration::from_millis(3);

/// A connection that is made when it is needed. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    address: Arc<str>,
    link: Arc<Mutex<Link>>,
}

#[derive(Debug, Default)]
struct Link {
    /// Out of here while a command is under way: one that is given up leaves no half-read answer behind.
    idle: Option<Connection>,
    /// When nsqd was missed last, and how.
    missed: Option<(Instant, String)>,
}

impl Publisher {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.into(), link: Arc::default() }
    }

    pub(crate) async fn publish(&self, ids: &[ImageId]) -> Result<(), QueueError> {
        let asked = Instant::now();
        let mut link = self.link.lock().await;
        // Those that waited while one waited for nsqd in vain do not wait for it one after the other.
        if let Some((when, reason)) = &link.missed
            && *when > asked
        {
            return Err(QueueError::Unavailable { address: self.address.to_string(), reason: reason.clone() });
        }
        let published = self.send(&mut link, ids).await;
        link.missed = match &published {
            Err(QueueError::Unavailable { reason, .. }) => Some((Instant::now(), reason.clone())),
            _ => None,
        };
        published
    }

    async fn send(&self, link: &mut Link, ids: &[ImageId]) -> Result<(), QueueError> {
        let mut bytes = BytesMut::new();
        for ids in ids.chunks(command::MAX_IDS) {
            bytes.clear();
            command::publish(ids, &mut bytes);
            let patience = ANSWER_TIMEOUT + PATIENCE_PER_ID * u32::try_from(ids.len()).unwrap_or(u32::MAX);
            if let Some(mut connection) = link.idle.take() {
                let began = Instant::now();
                match connection.command(&bytes, patience).await {
                    Ok(()) => {
                        link.idle = Some(connection);
                        continue;
                    }
                    // nsqd has been started anew since: it may have the ids, and a second message does no harm. One that
                    // is slow is not asked for the same again.
                    Err(QueueError::Unavailable { reason, .. }) if began.elapsed() < patience => {
                        tracing::debug!(address = %self.address, reason, "the connection to nsqd is made anew");
                    }
                    Err(error) => return Err(error),
                }
            }
            let mut connection = Connection::open(&self.address, Heartbeat::Off).await?;
            connection.command(&bytes, patience).await?;
            link.idle = Some(connection);
        }
        Ok(())
    }

    pub(crate) async fn ping(&self) -> Result<(), QueueError> {
        // No command of a connection that is open is answered without effect; the introduction is.
        let connection = Connection::open(&self.address, Heartbeat::Off).await?;
        self.link.lock().await.idle.get_or_insert(connection);
        Ok(())
    }
}

//! Publishes to one nsqd.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::Mutex;

use super::command;
use super::connection::{Connection, Heartbeat};
use crate::image::ImageId;
use crate::queue::QueueError;

/// A connection that is made when it is needed. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    address: Arc<str>,
    /// Out of here while a command is under way: one that is given up leaves no half-read answer behind.
    idle: Arc<Mutex<Option<Connection>>>,
}

impl Publisher {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.into(), idle: Arc::default() }
    }

    pub(crate) async fn publish(&self, ids: &[ImageId]) -> Result<(), QueueError> {
        let mut bytes = BytesMut::new();
        let mut idle = self.idle.lock().await;
        for ids in ids.chunks(command::MAX_IDS) {
            bytes.clear();
            command::publish(ids, &mut bytes);
            if let Some(mut connection) = idle.take() {
                match connection.command(&bytes).await {
                    Ok(()) => {
                        *idle = Some(connection);
                        continue;
                    }
                    // nsqd has been started anew since: it may have the ids, and a second message does no harm.
                    Err(QueueError::Unavailable { reason, .. }) => {
                        tracing::debug!(address = %self.address, reason, "the connection to nsqd is made anew");
                    }
                    Err(refused) => return Err(refused),
                }
            }
            let mut connection = Connection::open(&self.address, Heartbeat::Off).await?;
            connection.command(&bytes).await?;
            *idle = Some(connection);
        }
        Ok(())
    }

    pub(crate) async fn ping(&self) -> Result<(), QueueError> {
        // No command of a connection that is open is answered without effect; the introduction is.
        let connection = Connection::open(&self.address, Heartbeat::Off).await?;
        self.idle.lock().await.get_or_insert(connection);
        Ok(())
    }
}

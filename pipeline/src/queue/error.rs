//! What can go wrong with the queue.

/// An error of the queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue does not answer, now.
    #[error("the queue at {address} does not answer: {reason}")]
    Unavailable {
        /// Its address.
        address: String,
        /// What was tried.
        reason: String,
    },
    /// The queue refused a message.
    #[error("the queue at {address} refused a message: {reason}")]
    Refused {
        /// Its address.
        address: String,
        /// In its words.
        reason: String,
    },
}

//! Ids of photos on their way from receiver to processor: inside the process, or through NSQ.
//!
//! Topic `images`, channel `ch`; a message is the id as 8 bytes, little-endian, as the original system writes it.

mod error;

use std::time::Duration;

pub use error::QueueError;

use crate::image::ImageId;

/// Puts ids into the queue. Clones share its connection, which is made anew when it breaks.
#[derive(Debug, Clone)]
pub struct Publisher {}

impl Publisher {
    /// Queues ids, all with one command; returns when the queue has them.
    pub async fn publish(&self, ids: &[ImageId]) -> Result<(), QueueError> {
        let _ = ids;
        todo!()
    }

    /// Whether the queue answers.
    pub async fn ping(&self) -> Result<(), QueueError> {
        todo!()
    }
}

/// Takes ids out of the queue; connects anew when it must.
#[derive(Debug)]
pub struct Consumer {}

impl Consumer {
    /// The next message; waits for it, connections lost meanwhile are made anew.
    pub async fn next(&mut self) -> Delivery {
        todo!()
    }
}

/// A message. Dropped unfinished it comes again.
#[derive(Debug)]
pub struct Delivery {
    /// The id; none for a body that holds none (not 8 bytes).
    pub id: Option<ImageId>,
    /// Deliveries of this message so far, this one included.
    pub attempts: u16,
}

impl Delivery {
    /// Done with: never comes again.
    pub async fn finish(self) {
        todo!()
    }

    /// Comes again after `delay`.
    pub async fn requeue(self, delay: Duration) {
        let _ = delay;
        todo!()
    }

    /// Still being worked on: the time-out begins anew.
    pub async fn touch(&self) {
        todo!()
    }
}

/// A queue inside the process; ends with it.
pub fn in_process() -> (Publisher, Consumer) {
    todo!()
}

/// Publishes to nsqd at `address` (`host:4150`).
pub fn nsq_publisher(address: &str) -> Publisher {
    let _ = address;
    todo!()
}

/// Consumes from every nsqd that the lookup daemon at `address` (`host:4161`, HTTP) names, at most `in_flight`
/// messages at a time.
pub fn nsq_consumer(address: &str, in_flight: u16) -> Consumer {
    let _ = (address, in_flight);
    todo!()
}

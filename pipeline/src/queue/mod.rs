//! Ids of photos on their way from receiver to processor: inside the process, or through NSQ.
//!
//! Topic `images`, channel `ch`; a message is the id as 8 bytes, little-endian, as the original system writes it.

mod error;
mod in_process;
mod nsq;

use std::time::Duration;

pub use error::QueueError;

use crate::image::ImageId;

/// Puts ids into the queue. Clones share its connection, which is made anew when it breaks.
#[derive(Debug, Clone)]
pub struct Publisher(PublisherKind);

#[derive(Debug, Clone)]
enum PublisherKind {
    InProcess(in_process::Queue),
    Nsq(nsq::Publisher),
}

impl Publisher {
    /// Queues ids, all with one command; returns when the queue has them.
    pub async fn publish(&self, ids: &[ImageId]) -> Result<(), QueueError> {
        if ids.is_empty() {
            return Ok(());
        }
        match &self.0 {
            PublisherKind::InProcess(queue) => queue.publish(ids),
            PublisherKind::Nsq(publisher) => publisher.publish(ids).await,
        }
    }

    /// Whether the queue answers.
    pub async fn ping(&self) -> Result<(), QueueError> {
        match &self.0 {
            PublisherKind::InProcess(_) => Ok(()),
            PublisherKind::Nsq(publisher) => publisher.ping().await,
        }
    }
}

/// Takes ids out of the queue; connects anew when it must.
#[derive(Debug)]
pub struct Consumer(ConsumerKind);

#[derive(Debug)]
enum ConsumerKind {
    InProcess(in_process::Queue),
    Nsq(nsq::Consumer),
}

impl Consumer {
    /// The next message; waits for it, connections lost meanwhile are made anew. Dropped before it ends, no message
    /// is lost.
    pub async fn next(&mut self) -> Delivery {
        match &mut self.0 {
            ConsumerKind::InProcess(queue) => {
                let message = queue.next().await;
                Delivery {
                    id: Some(message.id),
                    attempts: message.attempts,
                    unfinished: Some(Unfinished::InProcess { queue: queue.clone(), message }),
                }
            }
            ConsumerKind::Nsq(consumer) => consumer.next().await,
        }
    }
}

/// A message. Dropped unfinished it comes again.
#[derive(Debug)]
pub struct Delivery {
    /// The id; none for a body that holds none (not 8 bytes).
    pub id: Option<ImageId>,
    /// Deliveries of this message so far, this one included.
    pub attempts: u16,
    /// None once it is finished or given back.
    unfinished: Option<Unfinished>,
}

#[derive(Debug)]
enum Unfinished {
    InProcess { queue: in_process::Queue, message: in_process::Message },
    Nsq(nsq::Unfinished),
}

impl Delivery {
    /// Done with: never comes again.
    pub async fn finish(mut self) {
        match self.unfinished.take() {
            None | Some(Unfinished::InProcess { .. }) => {}
            Some(Unfinished::Nsq(message)) => message.finish().await,
        }
    }

    /// Comes again after `delay`.
    pub async fn requeue(mut self, delay: Duration) {
        match self.unfinished.take() {
            None => {}
            Some(Unfinished::InProcess { queue, message }) => queue.requeue(message, delay),
            Some(Unfinished::Nsq(message)) => message.requeue(delay).await,
        }
    }

    /// Still being worked on: the time-out begins anew.
    pub async fn touch(&self) {
        match &self.unfinished {
            // There is no time-out inside the process: a message that is lost is dropped, and comes again.
            None | Some(Unfinished::InProcess { .. }) => {}
            Some(Unfinished::Nsq(message)) => message.touch(),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        match self.unfinished.take() {
            None => {}
            Some(Unfinished::InProcess { queue, message }) => queue.requeue(message, Duration::ZERO),
            Some(Unfinished::Nsq(message)) => message.give_back(),
        }
    }
}

/// A queue inside the process; ends with it.
pub fn in_process() -> (Publisher, Consumer) {
    let queue = in_process::Queue::new();
    (Publisher(PublisherKind::InProcess(queue.clone())), Consumer(ConsumerKind::InProcess(queue)))
}

/// Publishes to nsqd at `address` (`host:4150`).
pub fn nsq_publisher(address: &str) -> Publisher {
    Publisher(PublisherKind::Nsq(nsq::Publisher::new(address)))
}

/// Consumes from every nsqd that the lookup daemon at `address` (`host:4161`, HTTP; several parted by commas) names,
/// at most `in_flight` messages at a time, but one of each nsqd.
///
/// Dropped, the consumer takes no more messages; those that it gave can still be finished.
///
/// # Panics
/// Outside of a Tokio runtime.
pub fn nsq_consumer(address: &str, in_flight: u16) -> Consumer {
    Consumer(ConsumerKind::Nsq(nsq::Consumer::start(address, in_flight)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_comes_again_until_it_is_finished() {
        let (publisher, mut consumer) = in_process();
        publisher.publish(&[ImageId(7)]).await.unwrap();

        drop(consumer.next().await);
        let second = consumer.next().await;
        assert_eq!((second.id, second.attempts), (Some(ImageId(7)), 2));
        second.requeue(Duration::from_millis(1)).await;
        let third = consumer.next().await;
        assert_eq!((third.id, third.attempts), (Some(ImageId(7)), 3));
        third.finish().await;

        publisher.publish(&[ImageId(8)]).await.unwrap();
        assert_eq!(consumer.next().await.id, Some(ImageId(8)));
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let (publisher, mut consumer) = in_process();
        for id in 0..100 {
            tokio::select! {
                biased;
                _ = consumer.next() => panic!("there is no message"),
                () = tokio::task::yield_now() => {}
            }
            publisher.publish(&[ImageId(id)]).await.unwrap();
            let delivery = consumer.next().await;
            assert_eq!((delivery.id, delivery.attempts), (Some(ImageId(id)), 1));
            delivery.finish().await;
        }
    }
}

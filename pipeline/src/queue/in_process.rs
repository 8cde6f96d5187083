//! The queue inside the process.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::QueueError;
use crate::image::ImageId;

/// Most messages that wait, delayed ones included. Photos beyond stay in the outbox.
const MAX_MESSAGES: usize = 1 << 20;

/// One end of the queue. Clones are the same queue.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    shared: Arc<Shared>,
    max_messages: usize,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// One message more is ready, or the time of the next delayed one is another.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    ready: VecDeque<Message>,
    /// By the time from which they are ready, then by their order.
    delayed: BinaryHeap<Reverse<(Instant, u64, Message)>>,
    delayed_so_far: u64,
}

/// An id on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) id: ImageId,
    /// Deliveries so far, this one included.
    pub(super) attempts: u16,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self::with_room_for(MAX_MESSAGES)
    }

    fn with_room_for(max_messages: usize) -> Self {
        Self { shared: Arc::default(), max_messages }
    }

    /// All ids or none.
    pub(super) fn publish(&self, ids: &[ImageId]) -> Result<(), QueueError> {
        let mut waiting = self.waiting();
        let messages = waiting.ready.len() + waiting.delayed.len();
        if messages + ids.len() > self.max_messages {
            let reason = format!("{messages} messages wait already, {} are the most", self.max_messages);
            return Err(QueueError::Refused { address: "this process".into(), reason });
        }
        waiting.ready.extend(ids.iter().map(|&id| Message { id, attempts: 0 }));
        drop(waiting);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// The next message that is ready. Dropped before it ends, it has taken none.
    pub(super) async fn next(&self) -> Message {
        loop {
            let changed = self.shared.changed.notified();
            let due = {
                let mut waiting = self.waiting();
                waiting.ripen(Instant::now());
                if let Some(message) = waiting.ready.pop_front() {
                    return Message { attempts: message.attempts.saturating_add(1), ..message };
                }
                waiting.delayed.peek().map(|Reverse((due, ..))| *due)
            };
            match due {
                None => changed.await,
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    /// Gives a message back.
    pub(super) fn requeue(&self, message: Message, delay: Duration) {
        let mut waiting = self.waiting();
        if delay.is_zero() {
            waiting.ready.push_back(message);
        } else {
            let now = Instant::now();
            // A delay beyond all times is as good as a year.
            let due = now.checked_add(delay).unwrap_or(now + Duration::from_secs(365 * 24 * 3600));
            waiting.delayed_so_far += 1;
            let order = waiting.delayed_so_far;
            waiting.delayed.push(Reverse((due, order, message)));
        }
        drop(waiting);
        self.shared.changed.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Makes delayed messages ready whose time has come.
    fn ripen(&mut self, now: Instant) {
        while let Some(Reverse((due, _, message))) = self.delayed.peek() {
            if *due > now {
                return;
            }
            self.ready.push_back(*message);
            self.delayed.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<u64>) -> Vec<ImageId> {
        range.map(ImageId).collect()
    }

    #[test]
    fn more_than_there_is_room_for_is_refused_whole() {
        let queue = Queue::with_room_for(3);
        queue.publish(&ids(0..2)).unwrap();
        let refused = queue.publish(&ids(2..4)).unwrap_err();
        assert!(refused.to_string().contains("2 messages wait already"), "{refused}");
        queue.publish(&ids(2..3)).unwrap();
    }

    #[tokio::test]
    async fn delayed_messages_come_in_the_order_of_their_times() {
        let queue = Queue::new();
        for (id, delay) in [(1, 60), (2, 20), (3, 40), (4, 0)] {
            queue.requeue(Message { id: ImageId(id), attempts: 1 }, Duration::from_millis(delay));
        }
        let mut seen = Vec::new();
        for _ in 0..4 {
            let message = queue.next().await;
            seen.push((message.id.0, message.attempts));
        }
        assert_eq!(seen, [(4, 2), (2, 2), (3, 2), (1, 2)]);
    }

    #[tokio::test]
    async fn a_longest_delay_is_no_overflow() {
        let queue = Queue::new();
        queue.requeue(Message { id: ImageId(1), attempts: u16::MAX }, Duration::MAX);
        queue.requeue(Message { id: ImageId(2), attempts: u16::MAX }, Duration::ZERO);
        assert_eq!(queue.next().await, Message { id: ImageId(2), attempts: u16::MAX });
    }
}

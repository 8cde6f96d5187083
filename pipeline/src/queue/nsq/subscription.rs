//! Messages of one nsqd, from the subscription to the end of the connection.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Heartbeat};
use super::frame::{Frame, FrameReader, MessageId};
use super::{ANSWER_TIMEOUT, command};
use crate::image::ImageId;
use crate::queue::{self, Delivery, QueueError};

/// How often nsqd shows that it lives, and asks the same.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Silence after which nsqd is gone: three heartbeats.
const SILENCE: Duration = Duration::from_secs(30);

/// After how long a message comes again that nobody has room for.
const NO_ROOM: Duration = Duration::from_secs(1);

/// What is to be said about a message, and who waits for it to be said.
#[derive(Debug)]
struct Word {
    id: MessageId,
    what: What,
    said: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
enum What {
    Finish,
    Requeue(Duration),
    Touch,
}

/// A message that nsqd waits to hear of.
#[derive(Debug)]
pub(crate) struct Unfinished {
    id: MessageId,
    words: mpsc::UnboundedSender<Word>,
    /// From here on nsqd gives it to somebody else, unless it is touched.
    comes_again: Instant,
}

impl Unfinished {
    pub(crate) async fn finish(self) {
        self.say(What::Finish).await;
    }

    pub(crate) async fn requeue(self, delay: Duration) {
        self.say(What::Requeue(delay)).await;
    }

    /// Gives it back; nobody waits.
    pub(crate) fn give_back(self) {
        let _ = self.words.send(Word { id: self.id, what: What::Requeue(Duration::ZERO), said: None });
    }

    pub(crate) fn touch(&self) {
        let _ = self.words.send(Word { id: self.id, what: What::Touch, said: None });
    }

    /// Whether nsqd has given it to somebody else by now.
    pub(crate) fn is_stale(&self) -> bool {
        Instant::now() >= self.comes_again || self.words.is_closed()
    }

    /// Returns when it is said, or when the connection is gone: the message comes again then, whatever was said.
    async fn say(self, what: What) {
        let (said, heard) = oneshot::channel();
        if self.words.send(Word { id: self.id, what, said: Some(said) }).is_ok() {
            let _ = heard.await;
        }
    }
}

/// A connection that messages come from.
#[derive(Debug)]
pub(super) struct Subscription {
    connection: Connection,
    deliveries: mpsc::Sender<Delivery>,
    /// Messages that this connection may have unfinished.
    share: watch::Receiver<u16>,
    words: mpsc::UnboundedReceiver<Word>,
    /// Lives while messages may come: when it and those of all messages are gone, nothing is left to say.
    new_words: Option<mpsc::UnboundedSender<Word>>,
}

impl Subscription {
    /// Connects and subscribes; messages come once it [runs](Self::run).
    pub(super) async fn open(
        address: &str,
        deliveries: mpsc::Sender<Delivery>,
        share: watch::Receiver<u16>,
    ) -> Result<Self, QueueError> {
        let mut connection = Connection::open(address, Heartbeat::Every(HEARTBEAT)).await?;
        let mut bytes = BytesMut::new();
        command::subscribe(&mut bytes);
        connection.command(&bytes, ANSWER_TIMEOUT).await?;
        let (new_words, words) = mpsc::unbounded_channel();
        Ok(Self { connection, deliveries, share, words, new_words: Some(new_words) })
    }

    /// Brings messages until nsqd is gone, or the consumer is and its messages have ended.
    pub(super) async fn run(mut self) {
        let address = self.connection.address.clone();
        match self.bring().await {
            Ok(()) => tracing::debug!(address, "nsqd has heard of every message"),
            Err(error) => tracing::warn!(address, %error, "nsqd is gone"),
        }
    }

    async fn bring(&mut self) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        let mut words = Vec::new();
        self.share.mark_changed();
        loop {
            bytes.clear();
            let open = self.new_words.is_some();
            tokio::select! {
                frame = next_frame(&mut self.connection.frames) => self.receive(frame?, &mut bytes)?,
                count = self.words.recv_many(&mut words, 256) => {
                    if count == 0 {
                        return self.hang_up().await;
                    }
                    for word in &words {
                        word.encode(&mut bytes);
                    }
                }
                Ok(()) = self.share.changed(), if open => {
                    let share = *self.share.borrow_and_update();
                    command::ready(share.clamp(1, self.connection.limits.max_rdy_count.max(1)), &mut bytes);
                }
                () = self.deliveries.closed(), if open => {
                    self.new_words = None;
                    command::close(&mut bytes);
                }
            }
            match timeout(ANSWER_TIMEOUT, self.connection.out.write_all(&bytes)).await {
                Ok(written) => written?,
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
            for said in words.drain(..).filter_map(|word| word.said) {
                let _ = said.send(());
            }
        }
    }

    /// Waits until nsqd has read what was said.
    async fn hang_up(&mut self) -> io::Result<()> {
        self.connection.out.shutdown().await?;
        let _ = timeout(ANSWER_TIMEOUT, async { while self.connection.frames.next().await.is_ok() {} }).await;
        Ok(())
    }

    fn receive(&mut self, frame: Frame, bytes: &mut BytesMut) -> io::Result<()> {
        match frame {
            Frame::Heartbeat => command::nothing(bytes),
            // Of the command that closes.
            Frame::Response(_) => {}
            Frame::Error(reason) => {
                // A message that was out for too long is somebody else's. After any other error nsqd hangs up.
                let of_message = ["E_FIN_FAILED", "E_REQ_FAILED", "E_TOUCH_FAILED"];
                if !of_message.iter().any(|error| reason.starts_with(error)) {
                    return Err(io::Error::other(reason));
                }
                tracing::debug!(address = self.connection.address, reason, "a message had come again");
            }
            Frame::Message { id, attempts, body } => {
                let Some(words) = &self.new_words else {
                    command::requeue(&id, Duration::ZERO, bytes);
                    return Ok(());
                };
                let comes_again = Instant::now() + self.connection.limits.message_timeout();
                let unfinished = Unfinished { id, words: words.clone(), comes_again };
                let delivery = Delivery {
                    id: <[u8; 8]>::try_from(&body[..]).ok().map(|body| ImageId(u64::from_le_bytes(body))),
                    attempts,
                    unfinished: Some(queue::Unfinished::Nsq(unfinished)),
                };
                if let Err(mpsc::error::TrySendError::Full(mut delivery)) = self.deliveries.try_send(delivery) {
                    delivery.unfinished = None;
                    command::requeue(&id, NO_ROOM, bytes);
                }
            }
        }
        Ok(())
    }
}

impl Word {
    fn encode(&self, bytes: &mut BytesMut) {
        match self.what {
            What::Finish => command::finish(&self.id, bytes),
            What::Requeue(delay) => command::requeue(&self.id, delay, bytes),
            What::Touch => command::touch(&self.id, bytes),
        }
    }
}

async fn next_frame<R: tokio::io::AsyncRead + Unpin>(frames: &mut FrameReader<R>) -> io::Result<Frame> {
    match timeout(SILENCE, frames.next()).await {
        Ok(frame) => frame,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("silent for {} s", SILENCE.as_secs()))),
    }
}

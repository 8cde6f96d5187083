//! A connection to nsqd that has been introduced.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::ANSWER_TIMEOUT;
use super::command;
use super::frame::{Frame, FrameReader};
use crate::queue::QueueError;

/// Who asks, as nsqadmin shows it.
const USER_AGENT: &str = concat!("facerecog-pipeline/", env!("CARGO_PKG_VERSION"));

/// How often nsqd asks whether the client lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heartbeat {
    /// Not at all: who publishes sees at the next command.
    Off,
    Every(Duration),
}

/// What nsqd allows.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Limits {
    /// Most messages that a client may have unfinished.
    pub(super) max_rdy_count: u16,
    /// Time in milliseconds after which an unfinished message comes again.
    msg_timeout: u64,
}

impl Limits {
    pub(super) fn message_timeout(self) -> Duration {
        Duration::from_millis(self.msg_timeout)
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) address: String,
    pub(super) limits: Limits,
    pub(super) frames: FrameReader<OwnedReadHalf>,
    pub(super) out: OwnedWriteHalf,
}

impl Connection {
    /// Connects to nsqd at `address` (`host:port`).
    pub(super) async fn open(address: &str, heartbeat: Heartbeat) -> Result<Self, QueueError> {
        match timeout(ANSWER_TIMEOUT, Self::introduce(address, heartbeat)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(unavailable(address, &error)),
            Err(_) => Err(unavailable(address, &no_answer(ANSWER_TIMEOUT))),
        }
    }

    async fn introduce(address: &str, heartbeat: Heartbeat) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (incoming, mut out) = stream.into_split();
        let mut frames = FrameReader::new(incoming);
        let interval = match heartbeat {
            Heartbeat::Off => -1,
            Heartbeat::Every(interval) => i64::try_from(interval.as_millis()).unwrap_or(i64::MAX),
        };
        let body = json!({ "user_agent": USER_AGENT, "feature_negotiation": true, "heartbeat_interval": interval });
        let mut bytes = BytesMut::from(&command::MAGIC[..]);
        command::identify(body.to_string().as_bytes(), &mut bytes);
        out.write_all(&bytes).await?;
        let limits = match frames.next().await? {
            Frame::Response(json) => serde_json::from_slice(&json)?,
            other => return Err(unexpected(&other)),
        };
        Ok(Self { address: address.to_owned(), limits, frames, out })
    }

    /// Sends one command and waits, at most for `patience`, for nsqd to have done it.
    pub(super) async fn command(&mut self, bytes: &[u8], patience: Duration) -> Result<(), QueueError> {
        let answer = async {
            self.out.write_all(bytes).await?;
            loop {
                match self.frames.next().await? {
                    Frame::Heartbeat => self.out.write_all(b"NOP\n").await?,
                    other => return Ok(other),
                }
            }
        };
        match timeout(patience, answer).await {
            Ok(Ok(Frame::Response(_))) => Ok(()),
            Ok(Ok(Frame::Error(reason))) => Err(QueueError::Refused { address: self.address.clone(), reason }),
            Ok(Ok(other)) => Err(unavailable(&self.address, &unexpected(&other))),
            Ok(Err(error)) => Err(unavailable(&self.address, &error)),
            Err(_) => Err(unavailable(&self.address, &no_answer(patience))),
        }
    }
}

fn unavailable(address: &str, error: &io::Error) -> QueueError {
    QueueError::Unavailable { address: address.to_owned(), reason: error.to_string() }
}

fn no_answer(patience: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", patience.as_secs()))
}

fn unexpected(frame: &Frame) -> io::Error {
    let reason = match frame {
        Frame::Error(reason) => reason.clone(),
        _ => "an answer that no command asked for".to_owned(),
    };
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

//! What nsqd says.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Most bytes of a frame that are kept: more than any answer, and than a message of ours. What is longer is read and
/// forgotten.
const MAX_KEPT: usize = 64 << 10;

/// Bytes before a message's body: time, attempts, id.
const MESSAGE_HEAD: usize = 8 + 2 + 16;

/// What nsqd calls a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MessageId(pub(super) [u8; 16]);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// The client is to show that it lives.
    Heartbeat,
    /// A command was done.
    Response(Bytes),
    /// A command was not done.
    Error(String),
    Message {
        id: MessageId,
        attempts: u16,
        /// Cut when it is long.
        body: Bytes,
    },
}

/// Takes frames out of a stream of bytes.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    /// Bytes to come that belong to a frame already given.
    forgotten: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(8 << 10), forgotten: 0 }
    }

    /// The next frame. Dropped before it ends, it has lost nothing.
    pub(super) async fn next(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// A frame that is in the buffer whole, or as far as it is kept.
    fn take(&mut self) -> io::Result<Option<Frame>> {
        let skipped = self.forgotten.min(self.buffer.len());
        self.buffer.advance(skipped);
        self.forgotten -= skipped;
        let Some((length, _)) = self.buffer.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        let kept = length.min(MAX_KEPT);
        if self.buffer.len() < 4 + kept {
            self.buffer.reserve(4 + kept - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(4);
        self.forgotten = length - kept;
        parse(self.buffer.split_to(kept).freeze()).map(Some)
    }
}

fn parse(mut data: Bytes) -> io::Result<Frame> {
    let kind = data.try_get_u32().map_err(|_| malformed("a frame without a type"))?;
    match kind {
        0 if data == "_heartbeat_" => Ok(Frame::Heartbeat),
        0 => Ok(Frame::Response(data)),
        1 => Ok(Frame::Error(String::from_utf8_lossy(&data).into_owned())),
        2 if data.len() >= MESSAGE_HEAD => {
            data.advance(8);
            let attempts = data.get_u16();
            let mut id = [0; 16];
            data.copy_to_slice(&mut id);
            Ok(Frame::Message { id: MessageId(id), attempts, body: data })
        }
        2 => Err(malformed("a message without an id")),
        _ => Err(malformed("a frame of an unknown type")),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: it does not speak NSQ's protocol V2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (data.len() as u32 + 4).to_be_bytes().to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend(data);
        bytes
    }

    fn message(body: &[u8]) -> Vec<u8> {
        let mut data = 1_700_000_000_000_000_000_i64.to_be_bytes().to_vec();
        data.extend(3_u16.to_be_bytes());
        data.extend(b"0123456789abcdef");
        data.extend(body);
        frame(2, &data)
    }

    async fn read(bytes: &[u8]) -> (Vec<Frame>, io::Error) {
        let mut reader = FrameReader::new(bytes);
        let mut frames = Vec::new();
        loop {
            match reader.next().await {
                Ok(frame) => frames.push(frame),
                Err(error) => return (frames, error),
            }
        }
    }

    #[tokio::test]
    async fn frames_come_in_their_order() {
        let bytes =
            [frame(0, b"OK"), frame(0, b"_heartbeat_"), frame(1, b"E_INVALID x"), message(b"12345678")].concat();
        let (frames, end) = read(&bytes).await;
        let id = MessageId(*b"0123456789abcdef");
        assert_eq!(
            frames,
            [
                Frame::Response("OK".into()),
                Frame::Heartbeat,
                Frame::Error("E_INVALID x".into()),
                Frame::Message { id, attempts: 3, body: "12345678".into() },
            ]
        );
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_long_message_is_cut_and_the_next_frame_is_whole() {
        let bytes = [message(&vec![7; 3 << 20]), frame(0, b"OK")].concat();
        let (frames, _) = read(&bytes).await;
        assert_eq!(frames.len(), 2);
        assert!(matches!(&frames[0], Frame::Message { body, .. } if body.len() < MAX_KEPT));
        assert_eq!(frames[1], Frame::Response("OK".into()));
    }

    #[tokio::test]
    async fn what_is_no_frame_is_told() {
        for (bytes, told) in [
            (frame(9, b"?"), "unknown type"),
            (frame(2, b"short"), "without an id"),
            (vec![0, 0, 0, 2, 1, 1], "without a type"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(4 << 10), "unknown type"),
        ] {
            let (frames, error) = read(&bytes).await;
            assert!(frames.is_empty() && error.to_string().contains(told), "{frames:?}, {error}");
        }
    }
}

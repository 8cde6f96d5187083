//! What a client says.

use std::time::Duration;

use bytes::{BufMut, BytesMut};

use super::frame::MessageId;
use super::{CHANNEL, TOPIC};
use crate::image::ImageId;

/// Opens a connection: the version of the protocol.
pub(super) const MAGIC: &[u8; 4] = b"  V2";

/// Most ids of one command: 12 bytes each keep it far below the 5 MB that nsqd takes by default.
pub(super) const MAX_IDS: usize = 100_000;

/// Introduces the client; `body` is JSON.
pub(super) fn identify(body: &[u8], out: &mut BytesMut) {
    out.put_slice(b"IDENTIFY\n");
    out.put_u32(length(body.len()));
    out.put_slice(body);
}

/// Publishes ids, at most [`MAX_IDS`], all or none.
pub(super) fn publish(ids: &[ImageId], out: &mut BytesMut) {
    const BODY: usize = size_of::<u64>();
    const LENGTH: usize = size_of::<u32>();
    line(out, &["MPUB", TOPIC]);
    out.reserve(2 * LENGTH + ids.len() * (LENGTH + BODY));
    out.put_u32(length(LENGTH + ids.len() * (LENGTH + BODY)));
    out.put_u32(length(ids.len()));
    for id in ids {
        out.put_u32(length(BODY));
        out.put_u64_le(id.0);
    }
}

/// Asks for messages; none come before [`ready`].
pub(super) fn subscribe(out: &mut BytesMut) {
    line(out, &["SUB", TOPIC, CHANNEL]);
}

/// Takes up to `count` messages that are not finished.
pub(super) fn ready(count: u16, out: &mut BytesMut) {
    line(out, &["RDY", &count.to_string()]);
}

/// Ends a message.
pub(super) fn finish(id: &MessageId, out: &mut BytesMut) {
    about(b"FIN ", id, out);
    out.put_u8(b'\n');
}

/// Gives a message back, to come again after `delay` or the longest delay that nsqd allows.
pub(super) fn requeue(id: &MessageId, delay: Duration, out: &mut BytesMut) {
    about(b"REQ ", id, out);
    // nsqd reads an i64; it cuts what is longer than its own limit, an hour by default.
    let milliseconds = delay.as_millis().min(u128::from(u32::MAX));
    out.put_slice(format!(" {milliseconds}\n").as_bytes());
}

/// Begins the time-out of a message anew.
pub(super) fn touch(id: &MessageId, out: &mut BytesMut) {
    about(b"TOUCH ", id, out);
    out.put_u8(b'\n');
}

/// Answers a heartbeat.
pub(super) fn nothing(out: &mut BytesMut) {
    out.put_slice(b"NOP\n");
}

/// Takes no more messages; those that are out can still be ended.
pub(super) fn close(out: &mut BytesMut) {
    out.put_slice(b"CLS\n");
}

fn line(out: &mut BytesMut, words: &[&str]) {
    out.put_slice(words.join(" ").as_bytes());
    out.put_u8(b'\n');
}

fn about(command: &[u8], id: &MessageId, out: &mut BytesMut) {
    out.put_slice(command);
    out.put_slice(&id.0);
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("commands are cut far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the protocol's specification, with the original's body: the id in 8 bytes, little-endian.
    #[test]
    fn ids_are_published_as_the_original_writes_them() {
        let mut out = BytesMut::new();
        publish(&[ImageId(0x0102), ImageId(u64::MAX)], &mut out);
        let mut expected = b"MPUB images\n".to_vec();
        expected.extend([0, 0, 0, 28, 0, 0, 0, 2]);
        expected.extend([0, 0, 0, 8, 2, 1, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(out, expected);
    }

    #[test]
    fn a_delay_beyond_all_measure_is_a_number_that_nsqd_reads() {
        let mut out = BytesMut::new();
        requeue(&MessageId(*b"0123456789abcdef"), Duration::MAX, &mut out);
        assert_eq!(out, "REQ 0123456789abcdef 4294967295\n");
    }
}

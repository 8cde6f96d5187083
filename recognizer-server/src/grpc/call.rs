//! What a call brings besides its message: when it came, by when it wants an answer, and the memory
//! that its message takes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Request, Status};

use super::status::{busy, deadline_exceeded};

/// When a caller may try again whose message found no memory: about the time of a large photo.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Calls whose messages come over as long a time as the caller likes.
const STREAM: &str = "/facerecog.v1.Recognizer/RecognizeStream";

/// Receives the calls of our services, before their messages are decoded.
#[derive(Debug, Clone)]
pub(super) struct Reception {
    limit: Duration,
    memory: Arc<Memory>,
}

impl Reception {
    /// Gives a call, or a photo of a stream, `limit` to be answered, unless its caller gives less, and
    /// the messages that are being received, wait or are worked on `bytes` of memory in all.
    pub(super) fn new(limit: Duration, bytes: usize) -> Self {
        Self { limit, memory: Arc::new(Memory { limit: bytes, held: AtomicUsize::new(0) }) }
    }

    /// Notes when the call came, and watches over what it sends.
    pub(super) fn receive(&self, mut request: http::Request<Body>) -> http::Request<Body> {
        let path = request.uri().path();
        if !path.starts_with("/facerecog.") {
            return request;
        }
        let is_stream = path == STREAM;
        let arrived = Instant::now();
        let held = Arc::new(Held { memory: Arc::clone(&self.memory), bytes: AtomicUsize::new(0) });
        let caller_deadline = timeout(request.headers()).and_then(|timeout| arrived.checked_add(timeout));
        let call = Call { arrived, limit: self.limit, caller_deadline, held };
        let deadline = if is_stream { call.caller_deadline } else { Some(call.deadline()) };
        let message = {
            let held = Arc::clone(&call.held);
            let deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline.into())));
            move |body| Body::new(Message { body, held, deadline })
        };
        request.extensions_mut().insert(call);
        request.map(message)
    }
}

/// When a call came, by when it wants an answer, and the memory of its message, which counts as
/// taken until the last copy of this is dropped.
#[derive(Debug, Clone)]
pub(super) struct Call {
    arrived: Instant,
    limit: Duration,
    caller_deadline: Option<Instant>,
    held: Arc<Held>,
}

impl Call {
    /// The one that [`Reception`] noted.
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().cloned().expect("every call passes the reception")
    }

    /// The end of the time for a call of one message.
    pub(super) fn deadline(&self) -> Instant {
        self.earlier(self.arrived + self.limit)
    }

    /// The end of the time for a photo of a stream whose turn is near.
    pub(super) fn photo_deadline(&self) -> Instant {
        self.earlier(Instant::now() + self.limit)
    }

    /// The end of the time that the caller gives; none when it waits for ever.
    pub(super) fn caller_deadline(&self) -> Option<Instant> {
        self.caller_deadline
    }

    /// The memory of what has come so far of a stream, to be held for as long as that is.
    pub(super) fn take_held(&self) -> Held {
        let bytes = self.held.bytes.swap(0, Ordering::Relaxed);
        Held { memory: Arc::clone(&self.held.memory), bytes: AtomicUsize::new(bytes) }
    }

    fn earlier(&self, deadline: Instant) -> Instant {
        self.caller_deadline.map_or(deadline, |caller| caller.min(deadline))
    }
}

/// The result of `work` unless `deadline` comes first: then `work` is dropped.
pub(super) async fn within<R>(deadline: Instant, work: impl Future<Output = Result<R, Status>>) -> Result<R, Status> {
    tokio::time::timeout_at(deadline.into(), work).await.unwrap_or_else(|_| Err(deadline_exceeded()))
}

/// Memory for messages.
#[derive(Debug)]
struct Memory {
    limit: usize,
    held: AtomicUsize,
}

/// Memory that a message takes; dropped with it.
#[derive(Debug)]
pub(super) struct Held {
    memory: Arc<Memory>,
    bytes: AtomicUsize,
}

impl Held {
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) -> Result<(), Status> {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.memory.held.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.memory.limit {
            return Ok(());
        }
        Err(busy("memory_full", "too many photos are being sent at once; try again", RETRY_AFTER))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

/// A message that is coming in.
struct Message {
    body: Body,
    held: Arc<Held>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Message {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            // A caller that sends slowly must not hold its memory for ever.
            let Some(deadline) = &mut self.deadline else { return Poll::Pending };
            ready!(deadline.as_mut().poll(context));
            return Poll::Ready(Some(Err(deadline_exceeded())));
        };
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(status) = self.held.add(data.len())
        {
            return Poll::Ready(Some(Err(status)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The time that a caller gives: the header `grpc-timeout`, up to 8 digits and a unit. None without
/// it, and when it is something else.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};
    use tonic::Code;

    use super::*;

    fn request(path: &str, timeout: Option<&str>, body: &'static [u8]) -> http::Request<Body> {
        let mut request = http::Request::builder().uri(path);
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        request.body(Body::new(Full::from(body))).unwrap()
    }

    #[test]
    fn timeouts_are_those_of_the_protocol() {
        let parse = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            timeout(&headers)
        };
        for (text, wanted) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("00000003S", Duration::from_secs(3)),
            ("40m", Duration::from_millis(40)),
            ("5u", Duration::from_micros(5)),
            ("99999999n", Duration::from_nanos(99_999_999)),
        ] {
            assert_eq!(parse(text), Some(wanted), "{text}");
        }
        for text in ["", "S", "5", "5s", "-5S", "+5S", "1.5S", "123456789S", " 5S"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn messages_beyond_the_memory_are_refused_and_give_it_back() {
        let reception = Reception::new(Duration::from_secs(3600), 10);
        let path = "/facerecog.v1.Recognizer/Recognize";
        let first = reception.receive(request(path, None, b"12345678"));
        let (parts, body) = first.into_parts();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "12345678");
        let second = reception.receive(request(path, None, b"123"));
        assert_eq!(second.into_body().collect().await.unwrap_err().code(), Code::Unavailable);
        drop(parts);
        assert_eq!(reception.memory.held.load(Ordering::Relaxed), 0);
        let third = reception.receive(request(path, None, b"1234567890"));
        assert_eq!(third.into_body().collect().await.unwrap().to_bytes(), "1234567890");
        assert_eq!(reception.memory.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn photos_of_a_stream_hold_their_own_memory() {
        let reception = Reception::new(Duration::from_secs(3600), 10);
        let (parts, body) = reception.receive(request(STREAM, None, b"12345678")).into_parts();
        body.collect().await.unwrap();
        let call = Request::from_parts(tonic::metadata::MetadataMap::new(), parts.extensions, ());
        let call = Call::of(&call);
        let held = call.take_held();
        assert_eq!((held.bytes(), call.take_held().bytes()), (8, 0));
        drop(call);
        assert_eq!(reception.memory.held.load(Ordering::Relaxed), 8);
        drop(held);
        assert_eq!(reception.memory.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_earlier_deadline_holds() {
        let limit = Duration::from_secs(30);
        let of = |timeout| {
            let (parts, _) = Reception::new(limit, 10).receive(request(STREAM, timeout, b"")).into_parts();
            Call::of(&Request::from_parts(tonic::metadata::MetadataMap::new(), parts.extensions, ()))
        };
        let call = of(None);
        assert_eq!(call.deadline(), call.arrived + limit);
        assert_eq!(call.caller_deadline(), None);
        let call = of(Some("1H"));
        assert_eq!(call.deadline(), call.arrived + limit);
        let call = of(Some("1S"));
        assert_eq!(call.deadline(), call.arrived + Duration::from_secs(1));
        assert_eq!(call.caller_deadline(), Some(call.deadline()));
        assert_eq!(call.photo_deadline(), call.deadline());
    }

    #[tokio::test]
    async fn a_message_that_does_not_come_in_time_ends_the_call() {
        let never = http_body_util::StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, Status>>());
        let request = http::Request::builder().uri("/facerecog.v1.Recognizer/Recognize").header("grpc-timeout", "1m");
        let request = Reception::new(Duration::from_secs(3600), 10).receive(request.body(Body::new(never)).unwrap());
        assert_eq!(request.into_body().collect().await.unwrap_err().code(), Code::DeadlineExceeded);
    }
}

//! Stopping: calls under way end well, and streams that clients keep open end at all.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// The calls whose clients send for as long as they like.
const STREAMING: [&str; 3] = [
    "/facerecog.v1.Recognizer/RecognizeStream",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Bytes before every message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Whether the server is stopping. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Draining(watch::Sender<bool>);

impl Draining {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// The server says that it stops. Calls are answered as before.
    pub(super) fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Returns once it has begun.
    pub(super) async fn begun(&self) {
        // An error would mean that nobody can begin it any more, but this is one who could.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }

    pub(super) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }
}

/// Ends streams of requests once the server stops taking calls: after a whole message, so that each one that
/// was received is answered. The client is told UNAVAILABLE, since it may have sent more.
#[derive(Debug, Clone)]
pub(super) struct EndStreams(Draining);

impl EndStreams {
    /// `stopping` begins when no more calls are taken.
    pub(super) fn new(stopping: Draining) -> Self {
        Self(stopping)
    }
}

impl<S> Layer<S> for EndStreams {
    type Service = Ending<S>;

    fn layer(&self, inner: S) -> Ending<S> {
        Ending { inner, stopping: self.0.clone() }
    }
}

/// A service behind [`EndStreams`].
#[derive(Debug, Clone)]
pub(super) struct Ending<S> {
    inner: S,
    stopping: Draining,
}

impl<S> Service<Request<Body>> for Ending<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !STREAMING.contains(&request.uri().path()) {
            return Box::pin(self.inner.call(request));
        }
        let was_cut = Arc::new(AtomicBool::new(false));
        let requests = |body| Requests {
            body,
            stopping: WatchStream::new(self.stopping.0.subscribe()),
            is_stopping: false,
            position: Position::default(),
            was_cut: Arc::clone(&was_cut),
        };
        let answer = self.inner.call(request.map(|body| Body::new(requests(body))));
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |mut frame| {
                    if let Some(trailers) = frame.trailers_mut()
                        && was_cut.load(Ordering::Relaxed)
                        && trailers.get(Status::GRPC_STATUS) == Some(&HeaderValue::from_static("0"))
                    {
                        trailers.insert(Status::GRPC_STATUS, HeaderValue::from(Code::Unavailable as i32));
                        let message = "the server is stopping; what has no answer was not looked at";
                        trailers.insert(Status::GRPC_MESSAGE, HeaderValue::from_static(message));
                    }
                    frame
                }))
            }))
        })
    }
}

/// A stream of requests that ends early when the server stops.
#[derive(Debug)]
struct Requests {
    body: Body,
    stopping: WatchStream<bool>,
    is_stopping: bool,
    position: Position,
    was_cut: Arc<AtomicBool>,
}

impl HttpBody for Requests {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.was_cut.load(Ordering::Relaxed) {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.position.advance(data);
                }
            }
            Poll::Ready(_) => {}
            Poll::Pending => {
                // The first value is the present one.
                while let Poll::Ready(Some(stopping)) = Pin::new(&mut this.stopping).poll_next(cx) {
                    this.is_stopping = stopping;
                }
                if this.is_stopping && this.position.is_between_messages() {
                    this.was_cut.store(true, Ordering::Relaxed);
                    return Poll::Ready(None);
                }
            }
        }
        polled
    }
}

/// Where in the sequence of messages a body is.
#[derive(Debug, Default)]
struct Position {
    prefix: [u8; PREFIX],
    prefix_received: usize,
    message_left: usize,
}

impl Position {
    fn advance(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.message_left > 0 {
                let taken = self.message_left.min(data.len());
                self.message_left -= taken;
                data = &data[taken..];
                continue;
            }
            let taken = (PREFIX - self.prefix_received).min(data.len());
            self.prefix[self.prefix_received..self.prefix_received + taken].copy_from_slice(&data[..taken]);
            self.prefix_received += taken;
            data = &data[taken..];
            if self.prefix_received == PREFIX {
                let [_, length @ ..] = self.prefix;
                self.message_left = u32::from_be_bytes(length) as usize;
                self.prefix_received = 0;
            }
        }
    }

    fn is_between_messages(&self) -> bool {
        self.prefix_received == 0 && self.message_left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_between_messages_only_after_whole_ones() {
        let messages = [&[0, 0, 0, 0, 3, 1, 2, 3][..], &[0, 0, 0, 0, 0], &[1, 0, 0, 0, 1, 9]].concat();
        let ends = [0, 8, 13, 19];
        for step in 1..messages.len() {
            let mut position = Position::default();
            let mut at = 0;
            for part in messages.chunks(step) {
                position.advance(part);
                at += part.len();
                assert_eq!(position.is_between_messages(), ends.contains(&at), "step {step}, byte {at}");
            }
        }
    }
}

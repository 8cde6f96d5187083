//! One connection to the recognizer, or one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::dial::Dialer;
use super::stream::PhotoStream;

/// How often the other side of a stream is asked whether it is there, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long a recognizer that does not speak v1 is not asked again whether it does: it may be replaced meanwhile.
const ORIGINAL_FOR: Duration = Duration::from_secs(60);

/// Where and how connections are made.
#[derive(Debug)]
pub(super) struct Way {
    /// For streams alone. The original closes connections on which it is asked whether it is there.
    streams: Endpoint,
    calls: Endpoint,
    dialer: Dialer,
    /// Age at which a connection is replaced.
    age: Duration,
}

impl Way {
    pub(super) fn new(endpoint: Endpoint, age: Duration) -> Self {
        let streams = endpoint.clone().http2_keep_alive_interval(KEEPALIVE).keep_alive_timeout(KEEPALIVE);
        Self { streams, calls: endpoint, dialer: Dialer::new(), age }
    }

    /// The same for connections of another age.
    pub(super) fn with_age(&self, age: Duration) -> Self {
        Self { streams: self.streams.clone(), calls: self.calls.clone(), dialer: self.dialer.clone(), age }
    }

    /// When a connection that is made now is replaced: not all of them at the same time.
    fn end(&self) -> Instant {
        Instant::now() + self.age.mul_f64(0.75 + 0.5 * fastrand::f64())
    }
}

/// A stream or, where the recognizer has none, calls: over a connection of their own, which is made when it is needed
/// and replaced when it is old, since the name may lead to other recognizers by then.
#[derive(Debug, Default)]
pub(super) struct Connection {
    state: Mutex<State>,
    under_way: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    stream: Option<(Arc<PhotoStream>, Instant)>,
    calls: Option<(Channel, Instant)>,
    /// Until when it counts as one to a recognizer that speaks the original contract alone.
    original_until: Option<Instant>,
}

impl Connection {
    /// Photos that are asked about over it.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Counts a photo for as long as what is returned lives.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    /// The stream that photos share; none where the recognizer speaks the original contract alone.
    pub(super) async fn stream(&self, way: &Way) -> Result<Option<Arc<PhotoStream>>, Status> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some((stream, _)) = state.stream.as_ref().filter(|(stream, end)| stream.is_open() && now < *end) {
            return Ok(Some(Arc::clone(stream)));
        }
        // One that is old ends once its photos are answered.
        state.stream = None;
        if state.original_until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        match PhotoStream::open(way.dialer.dial(&way.streams)).await {
            Ok(stream) => {
                let stream = Arc::new(stream);
                *state = State { stream: Some((Arc::clone(&stream), way.end())), ..State::default() };
                Ok(Some(stream))
            }
            Err(status) if status.code() == Code::Unimplemented => {
                tracing::info!("the recognizer speaks the original contract alone");
                state.original_until = Some(Instant::now() + ORIGINAL_FOR);
                Ok(None)
            }
            Err(status) => Err(status),
        }
    }

    /// For calls.
    pub(super) async fn calls(&self, way: &Way) -> Channel {
        let mut state = self.state.lock().await;
        if let Some((channel, _)) = state.calls.as_ref().filter(|(_, end)| Instant::now() < *end) {
            return channel.clone();
        }
        let channel = way.dialer.dial(&way.calls);
        state.calls = Some((channel.clone(), way.end()));
        channel
    }
}

/// A photo that is asked about.
#[derive(Debug)]
pub(super) struct UnderWay<'a>(&'a Connection);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

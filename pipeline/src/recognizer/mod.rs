//! The recognizer over gRPC: its v1 contract, or else the original one.

mod answer;
mod contract;
mod error;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

pub use error::RecognizeError;

use crate::image::Recognition;
use contract::original::health_check_client::HealthCheckClient;
use contract::original::identify_client::IdentifyClient;
use contract::original::{Empty, IdentifyRequest};
use stream::{PhotoStream, StreamEnd};

/// Longest time to make a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time of a health call: a recognizer that takes longer is not well.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the other side of a stream is asked whether it is there, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long a recognizer that does not speak v1 is not asked again whether it does: it may be replaced meanwhile.
const ORIGINAL_FOR: Duration = Duration::from_secs(60);

/// The address is none.
#[derive(Debug, thiserror::Error)]
#[error("{address:?} is no address of a recognizer: give HOST:PORT")]
pub struct AddressError {
    address: String,
}

/// A recognizer at an address. Clones share its connections, which are made when they are needed.
#[derive(Debug, Clone)]
pub struct Recognizer {
    /// For streams alone. The original closes connections on which it is asked whether it is there.
    streams: Channel,
    calls: Channel,
    timeout: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    stream: Option<Arc<PhotoStream>>,
    /// Until when it counts as one that speaks the original contract alone.
    original_until: Option<Instant>,
}

impl Recognizer {
    /// The recognizer at `address` (`host:port`, or `http://host:port`). A photo may take `timeout`. Connects with
    /// the first call.
    pub fn new(address: &str, timeout: Duration) -> Result<Self, AddressError> {
        let uri = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let endpoint = Endpoint::from_shared(uri).ok().filter(|endpoint| {
            endpoint.uri().port().is_some() && endpoint.uri().host().is_some_and(|host| !host.is_empty())
        });
        let endpoint = endpoint.ok_or_else(|| AddressError { address: address.to_owned() })?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
        let streams = endpoint.clone().http2_keep_alive_interval(KEEPALIVE).keep_alive_timeout(KEEPALIVE);
        Ok(Self { streams: streams.connect_lazy(), calls: endpoint.connect_lazy(), timeout, state: Arc::default() })
    }

    /// Who is on the photo at `path`, as the recognizer sees it.
    pub async fn recognize(&self, path: &str) -> Result<Recognition, RecognizeError> {
        let answer = tokio::time::timeout(self.timeout, self.ask(path)).await;
        answer.unwrap_or(Err(RecognizeError::Slow { waited: self.timeout }))
    }

    /// Whether the recognizer says that it is ready.
    pub async fn is_healthy(&self) -> bool {
        let mut client = HealthCheckClient::new(self.calls.clone());
        match tokio::time::timeout(HEALTH_TIMEOUT, client.health_check(Empty {})).await {
            Ok(Ok(response)) => response.into_inner().ready,
            _ => false,
        }
    }

    async fn ask(&self, path: &str) -> Result<Recognition, RecognizeError> {
        // A stream may end in good order between two photos; that of its successor is news.
        for _ in 0..2 {
            match self.stream().await {
                Ok(Some(stream)) => match stream.ask(path).await {
                    Ok(result) => return answer::of_stream(result),
                    Err(StreamEnd::Broken(status)) => {
                        return Err(RecognizeError::Service { message: status.to_string(), sent: true });
                    }
                    Err(StreamEnd::Closed) => {}
                },
                Ok(None) => return self.ask_original(path).await,
                Err(status) => return Err(RecognizeError::of_opening(&status)),
            }
        }
        Err(RecognizeError::Service { message: "it is stopping".into(), sent: false })
    }

    /// The stream that all photos share; none where the recognizer speaks the original contract alone.
    async fn stream(&self) -> Result<Option<Arc<PhotoStream>>, Status> {
        let mut state = self.state.lock().await;
        if let Some(stream) = state.stream.as_ref().filter(|stream| stream.is_open()) {
            return Ok(Some(Arc::clone(stream)));
        }
        state.stream = None;
        if state.original_until.is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        match PhotoStream::open(self.streams.clone()).await {
            Ok(stream) => {
                let stream = Arc::new(stream);
                *state = State { stream: Some(Arc::clone(&stream)), original_until: None };
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

    async fn ask_original(&self, path: &str) -> Result<Recognition, RecognizeError> {
        let mut request = Request::new(IdentifyRequest { image_path: path.to_owned() });
        request.set_timeout(self.timeout);
        let response = IdentifyClient::new(self.calls.clone()).identify(request).await;
        let name = response.map_err(|status| match status.code() {
            Code::DeadlineExceeded => RecognizeError::Slow { waited: self.timeout },
            _ => RecognizeError::of_call(&status),
        })?;
        Ok(answer::of_name(name.into_inner().image_name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_a_host_and_a_port() {
        for (address, good) in [
            ("127.0.0.1:50051", true),
            ("face-recog:50051", true),
            ("[::1]:50051", true),
            ("http://face-recog:50051", true),
            ("", false),
            ("face-recog", false),
            (":50051", false),
            ("not an address", false),
        ] {
            assert_eq!(Recognizer::new(address, CONNECT_TIMEOUT).is_ok(), good, "{address:?}");
        }
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_the_services_fault_and_the_photo_was_not_sent() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let recognizer = Recognizer::new(&format!("127.0.0.1:{port}"), CONNECT_TIMEOUT).unwrap();
        match recognizer.recognize("a.jpg").await {
            Err(RecognizeError::Service { sent: false, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert!(!recognizer.is_healthy().await);
    }
}

//! The recognizer over gRPC: its v1 contract, or else the original one.

mod answer;
mod connection;
mod contract;
mod dial;
mod error;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tonic::transport::Endpoint;
use tonic::{Code, Request};

pub use error::RecognizeError;

use crate::image::Recognition;
use connection::{Connection, Way};
use contract::original::health_check_client::HealthCheckClient;
use contract::original::identify_client::IdentifyClient;
use contract::original::{Empty, IdentifyRequest};
use stream::StreamEnd;

/// Longest time to make a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time of a health call: a recognizer that takes longer is not well.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Age at which a connection is replaced.
const CONNECTION_AGE: Duration = Duration::from_secs(300);

/// The address is none.
#[derive(Debug, thiserror::Error)]
#[error("{address:?} is no address of a recognizer: give HOST:PORT")]
pub struct AddressError {
    address: String,
}

/// A recognizer at an address, or several behind one name. Clones share its connections, which are made when they are
/// needed, and replaced when they are old: by the addresses that the name has then.
#[derive(Debug, Clone)]
pub struct Recognizer {
    way: Arc<Way>,
    connections: Arc<[Connection]>,
    /// Which connection is looked at first.
    turn: Arc<AtomicUsize>,
    timeout: Duration,
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
        let way = Arc::new(Way::new(endpoint.connect_timeout(CONNECT_TIMEOUT), CONNECTION_AGE));
        Ok(Self { way, connections: Arc::new([Connection::default()]), turn: Arc::default(), timeout })
    }

    /// The same over as many connections, each at most about `age` old: recognizers behind one name share the photos,
    /// and new ones get some.
    #[must_use]
    pub fn over(self, connections: u16, age: Duration) -> Self {
        let connections = (0..connections.max(1)).map(|_| Connection::default()).collect();
        Self { way: Arc::new(self.way.with_age(age)), connections, ..self }
    }

    /// Who is on the photo at `path`, as the recognizer sees it.
    pub async fn recognize(&self, path: &str) -> Result<Recognition, RecognizeError> {
        let answer = tokio::time::timeout(self.timeout, self.ask(path)).await;
        answer.unwrap_or(Err(RecognizeError::Slow { waited: self.timeout }))
    }

    /// Whether the recognizer says that it is ready.
    pub async fn is_healthy(&self) -> bool {
        let asked = async {
            let mut client = HealthCheckClient::new(self.connection().calls(&self.way).await);
            client.health_check(Empty {}).await
        };
        match tokio::time::timeout(HEALTH_TIMEOUT, asked).await {
            Ok(Ok(response)) => response.into_inner().ready,
            _ => false,
        }
    }

    /// One of those with the fewest photos under way.
    fn connection(&self) -> &Connection {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let (before, after) = self.connections.split_at(first);
        let least = after.iter().chain(before).min_by_key(|connection| connection.under_way());
        least.unwrap_or(&self.connections[0])
    }

    async fn ask(&self, path: &str) -> Result<Recognition, RecognizeError> {
        let connection = self.connection();
        let _under_way = connection.begin();
        // A stream may end in good order between two photos; that of its successor is news.
        for _ in 0..2 {
            match connection.stream(&self.way).await {
                Ok(Some(stream)) => match stream.ask(path).await {
                    Ok(result) => return answer::of_stream(result),
                    Err(StreamEnd::Broken(status)) => {
                        return Err(RecognizeError::Service { message: status.to_string(), sent: true });
                    }
                    Err(StreamEnd::Closed) => {}
                },
                Ok(None) => return self.ask_original(connection, path).await,
                Err(status) => return Err(RecognizeError::of_opening(&status)),
            }
        }
        Err(RecognizeError::Service { message: "it is stopping".into(), sent: false })
    }

    async fn ask_original(&self, connection: &Connection, path: &str) -> Result<Recognition, RecognizeError> {
        let mut request = Request::new(IdentifyRequest { image_path: path.to_owned() });
        request.set_timeout(self.timeout);
        let response = IdentifyClient::new(connection.calls(&self.way).await).identify(request).await;
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

//! New connections, which take the addresses of a name in turn.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// Longest time for one address: another one may answer.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes connections. Clones go through the addresses together.
#[derive(Debug, Clone)]
pub(super) struct Dialer(Arc<AtomicUsize>);

impl Dialer {
    /// Begins with any of the addresses, so that many processes do not all begin with the first.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(fastrand::usize(..usize::MAX / 2))))
    }

    /// A connection to `endpoint`, made when it is needed, and made anew when it has ended.
    pub(super) fn dial(&self, endpoint: &Endpoint) -> Channel {
        let turn = Arc::clone(&self.0);
        endpoint.connect_with_connector_lazy(service_fn(move |uri: Uri| {
            let turn = Arc::clone(&turn);
            async move { connect(&uri, turn.fetch_add(1, Ordering::Relaxed)).await.map(TokioIo::new) }
        }))
    }
}

/// Connects to the first address that answers, beginning with that whose turn it is. The resolver's own order is
/// forgotten: for one client it is the same each time.
async fn connect(uri: &Uri, turn: usize) -> io::Result<TcpStream> {
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or_default());
    let addresses = lookup_host(format!("{host}:{port}")).await?.collect();
    connect_in_turn(host, addresses, turn).await
}

async fn connect_in_turn(host: &str, mut addresses: Vec<SocketAddr>, turn: usize) -> io::Result<TcpStream> {
    addresses.sort_unstable();
    addresses.dedup();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    for place in 0..addresses.len() {
        let address = addresses[(turn + place) % addresses.len()];
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    /// Two addresses that every host has, whatever its names resolve to.
    const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
    const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    async fn peer(port: u16, turn: usize) -> io::Result<SocketAddr> {
        let addresses = [SECOND, FIRST, SECOND].map(|address| (address, port).into());
        connect_in_turn("both", addresses.to_vec(), turn).await?.peer_addr()
    }

    #[tokio::test]
    async fn the_addresses_of_a_name_are_taken_in_turn_and_those_that_do_not_answer_passed_over() {
        let first = TcpListener::bind((FIRST, 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        for turn in 0..2 {
            assert_eq!(peer(port, turn).await.unwrap().ip(), FIRST, "turn {turn}");
        }

        let second = TcpListener::bind((SECOND, port)).await.unwrap();
        for (turn, address) in [FIRST, SECOND, FIRST].into_iter().enumerate() {
            assert_eq!(peer(port, turn).await.unwrap().ip(), address, "turn {turn}");
        }

        drop((first, second));
        assert_eq!(peer(port, 0).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let nowhere = connect_in_turn("nowhere", Vec::new(), 0).await.unwrap_err();
        assert_eq!(nowhere.to_string(), "nowhere has no address");
    }

    #[tokio::test]
    async fn a_name_is_looked_up() {
        let listener = TcpListener::bind((FIRST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let uri: Uri = format!("http://localhost:{port}").parse().unwrap();
        assert_eq!(connect(&uri, 1).await.unwrap().peer_addr().unwrap(), listener.local_addr().unwrap());
    }
}

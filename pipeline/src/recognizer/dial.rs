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
    let mut addresses: Vec<SocketAddr> = lookup_host(format!("{host}:{port}")).await?.collect();
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
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_addresses_of_a_name_are_taken_in_turn_and_those_that_do_not_answer_passed_over() {
        let four = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = four.local_addr().unwrap().port();
        let uri: Uri = format!("http://localhost:{port}").parse().unwrap();
        let peer = async |turn| connect(&uri, turn).await.unwrap().peer_addr().unwrap().is_ipv6();
        assert!(!peer(0).await && !peer(1).await);
        let Ok(six) = TcpListener::bind(("::1", port)).await else {
            println!("skipped: this host has no IPv6");
            return;
        };
        let names: Vec<_> = lookup_host(("localhost", port)).await.unwrap().collect();
        if !names.iter().any(SocketAddr::is_ipv6) {
            println!("skipped: localhost has one address");
            return;
        }
        assert_eq!([peer(0).await, peer(1).await, peer(2).await], [false, true, false]);
        drop(six);
    }
}

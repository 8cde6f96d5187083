//! HTTP for clients that may be slow, idle, or many: none of them takes the place of others for long.

mod paced;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::map_request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

pub(crate) use paced::is_too_slow;

use crate::telemetry::Stop;
use paced::Paced;

/// Connections at once; more wait until they are accepted. Each takes one descriptor, two while a photo is stored, of
/// the 1024 that a process has by default.
const CONNECTIONS: u32 = 400;

/// Longest time for the head of a request, and between two requests of a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// Age at which a connection ends after the answer under way: whoever reads too slowly to end it does not stay for
/// ever, and clients come to other servers of the same name.
const CONNECTION_AGE: Duration = Duration::from_secs(600);

/// How long that answer may take: more than the longest request.
const LAST_ANSWER: Duration = Duration::from_secs(360);

/// How long requests under way may take once it stops: less than the 30 seconds that Kubernetes gives a process.
const GRACE: Duration = Duration::from_secs(20);

/// Pause after a connection could not be accepted, as when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers requests until `stop`, and then those that came before, unless they take long.
///
/// # Errors
/// When the listener is none any more.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: Stop) -> io::Result<()> {
    let router = router.layer(map_request(async |request: Request| request.map(|body| Body::new(Paced::new(body)))));
    let connections = Arc::new(Semaphore::new(CONNECTIONS as usize));
    let mut stopped = pin!(stop.clone().wait());
    loop {
        let place = Arc::clone(&connections).acquire_owned();
        let next = async { (place.await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            () = &mut stopped => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, stop) = (router.clone(), stop.clone());
                tokio::spawn(async move {
                    answer(stream, router, stop).await;
                    drop(place);
                });
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(GRACE, connections.acquire_many(CONNECTIONS)).await.is_err() {
        tracing::warn!("requests under way were given up");
    }
    Ok(())
}

/// Answers one connection to its end.
async fn answer(stream: TcpStream, router: Router, stop: Stop) {
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    tokio::select! {
        ended = &mut connection => return told(ended),
        () = stop.wait() => {}
        () = sleep(CONNECTION_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = timeout(LAST_ANSWER, connection).await {
        told(ended);
    }
}

/// What ends a connection early is its client's doing.
fn told(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Whether a connection broke before it was accepted: the next one need not.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

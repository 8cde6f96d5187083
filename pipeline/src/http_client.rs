//! Small questions over HTTP to daemons nearby.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the whole answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest body of an answer, in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Status and body of the answer to `GET path` from `address` (`host:port`).
pub(crate) async fn get(address: &str, path: &str) -> io::Result<(StatusCode, Bytes)> {
    match timeout(ANSWER_TIMEOUT, exchange(address, path)).await {
        Ok(answer) => answer,
        Err(_) => {
            let reason = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, reason))
        }
    }
}

async fn exchange(address: &str, path: &str) -> io::Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::get(path).header(header::HOST, address).body(Empty::<Bytes>::new());
    let request = request.map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await.map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(answer);
    // The connection does its work while it is polled.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        end = connection => {
            end.map_err(io::Error::other)?;
            answer.await
        }
    }
}

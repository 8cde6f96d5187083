//! Asks nsqlookupd which nsqd have the topic.

use std::collections::BTreeSet;
use std::io;

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{ANSWER_TIMEOUT, TOPIC};
use crate::queue::QueueError;

/// Largest answer, in bytes: some thousand nsqd.
const MAX_ANSWER: usize = 1 << 20;

#[derive(Debug, Deserialize)]
struct Answer {
    producers: Vec<Producer>,
}

#[derive(Debug, Deserialize)]
struct Producer {
    broadcast_address: String,
    tcp_port: u16,
}

/// Addresses (`host:port`) of the nsqd that have the topic, as the daemon at `address` (`host:port`) knows them.
pub(super) async fn lookup(address: &str) -> Result<BTreeSet<String>, QueueError> {
    let reason = match timeout(ANSWER_TIMEOUT, ask(address)).await {
        Ok(Ok(answer)) => return Ok(answer.producers.into_iter().map(Producer::address).collect()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()),
    };
    Err(QueueError::Unavailable { address: address.to_owned(), reason })
}

impl Producer {
    fn address(self) -> String {
        let Self { broadcast_address: host, tcp_port: port } = self;
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

async fn ask(address: &str) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request =
        Request::get(format!("/lookup?topic={TOPIC}")).header(header::HOST, address).body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?.to_bytes();
        match status {
            StatusCode::OK => Ok(serde_json::from_slice(&body)?),
            // Nothing has been published yet.
            StatusCode::NOT_FOUND => Ok(Answer { producers: Vec::new() }),
            _ => Err(io::Error::other(format!("HTTP status {status}")).into()),
        }
    };
    tokio::pin!(exchange);
    // The connection does its work while it is polled.
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        end = connection => {
            end?;
            exchange.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_as_connections_take_them() {
        for (host, expected) in
            [("10.0.0.7", "10.0.0.7:4150"), ("nsqd-0", "nsqd-0:4150"), ("fd00::7", "[fd00::7]:4150")]
        {
            assert_eq!(Producer { broadcast_address: host.into(), tcp_port: 4150 }.address(), expected);
        }
    }
}

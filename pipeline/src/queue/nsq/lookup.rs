//! Asks nsqlookupd which nsqd have the topic.

use std::collections::BTreeSet;
use std::io;

use hyper::StatusCode;
use serde::Deserialize;

use super::TOPIC;
use crate::http_client;
use crate::queue::QueueError;

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
    match ask(address).await {
        Ok(answer) => Ok(answer.producers.into_iter().map(Producer::address).collect()),
        Err(error) => Err(QueueError::Unavailable { address: address.to_owned(), reason: error.to_string() }),
    }
}

async fn ask(address: &str) -> io::Result<Answer> {
    let (status, body) = http_client::get(address, &format!("/lookup?topic={TOPIC}")).await?;
    match status {
        StatusCode::OK => Ok(serde_json::from_slice(&body)?),
        // Nothing has been published yet.
        StatusCode::NOT_FOUND => Ok(Answer { producers: Vec::new() }),
        _ => Err(io::Error::other(format!("HTTP status {status}"))),
    }
}

impl Producer {
    fn address(self) -> String {
        let Self { broadcast_address: host, tcp_port: port } = self;
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
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

//! A client of NSQ: its protocol V2 over TCP to nsqd, and HTTP to nsqlookupd.
//!
//! <https://nsq.io/clients/tcp_protocol_spec.html>

mod command;
mod connection;
mod consumer;
mod frame;
mod lookup;
mod publisher;
mod subscription;

pub(super) use consumer::Consumer;
pub(super) use publisher::Publisher;
pub(super) use subscription::Unfinished;

use std::time::Duration;

/// Where ids are published.
const TOPIC: &str = "images";

/// The one channel of the topic: its consumers share the messages.
const CHANNEL: &str = "ch";

/// How long a daemon may take to accept a connection, or to answer a command.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

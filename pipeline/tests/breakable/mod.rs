//! A way to MariaDB that breaks where a test wants it to.

// Each test binary uses some of it.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where the next connection breaks.
#[derive(Debug, Clone, Copy)]
enum Break {
    /// The statement does not come to the server.
    Before(&'static str),
    /// The server has done the statement, and its answer is lost.
    After(&'static str),
}

/// A proxy in front of a server.
#[derive(Debug, Clone)]
pub(crate) struct Breakable {
    url: String,
    next: Arc<Mutex<Option<Break>>>,
}

impl Breakable {
    /// In front of the server of `url`.
    pub(crate) async fn new(url: &str) -> Self {
        let (scheme, rest) = url.split_once('@').expect("an address with a user");
        let (server, name) = rest.split_once('/').expect("an address with a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let next = Arc::default();
        let proxy = Self { url: format!("{scheme}@{address}/{name}"), next: Arc::clone(&next) };
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server answers");
                tokio::spawn(forward(client, server, Arc::clone(&next)));
            }
        });
        proxy
    }

    /// The address of the database behind it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Breaks once, before a statement with `text` comes to the server.
    pub(crate) fn break_before(&self, text: &'static str) {
        *self.next.lock().unwrap() = Some(Break::Before(text));
    }

    /// Breaks once, after a statement with `text` was done, and before its answer comes.
    pub(crate) fn break_after(&self, text: &'static str) {
        *self.next.lock().unwrap() = Some(Break::After(text));
    }

    /// Whether it has broken since it was told to.
    pub(crate) fn has_broken(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

async fn forward(mut client: TcpStream, mut server: TcpStream, next: Arc<Mutex<Option<Break>>>) {
    let (mut sent, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut sent) => {
                let Ok(1..) = read else { return };
                let sent = &sent[..read.unwrap_or_default()];
                let has = |text: &str| sent.windows(text.len()).any(|window| window == text.as_bytes());
                let breaks = {
                    let mut next = next.lock().unwrap();
                    next.take_if(|next| match next { Break::Before(text) | Break::After(text) => has(text) })
                };
                if matches!(breaks, Some(Break::Before(_))) || server.write_all(sent).await.is_err() {
                    return;
                }
                if breaks.is_some() {
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(bytes @ 1..) = read else { return };
                if client.write_all(&answered[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}

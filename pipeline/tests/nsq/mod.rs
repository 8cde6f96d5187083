//! The real nsqd and nsqlookupd, as `tests/peers/nsq.sh` starts them.

// Each test binary uses some of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A daemon that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    folder: PathBuf,
    lookup_folder: PathBuf,
    flags: Vec<&'static str>,
    child: Child,
}

impl Daemon {
    pub(crate) async fn nsqlookupd(folder: &Path) -> Self {
        Self::start("nsqlookupd", folder, folder, &[]).await
    }

    /// Known to the nsqlookupd of `lookup_folder`.
    pub(crate) async fn nsqd(folder: &Path, lookup_folder: &Path, flags: &[&'static str]) -> Self {
        Self::start("nsqd", folder, lookup_folder, flags).await
    }

    async fn start(name: &'static str, folder: &Path, lookup_folder: &Path, flags: &[&'static str]) -> Self {
        let (folder, lookup_folder, flags) = (folder.to_owned(), lookup_folder.to_owned(), flags.to_vec());
        let child = spawn(name, &folder, &lookup_folder, &flags);
        let daemon = Self { name, folder, lookup_folder, flags, child };
        daemon.answers().await;
        daemon
    }

    /// As kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// On the same ports and data.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.name, &self.folder, &self.lookup_folder, &self.flags);
        self.answers().await;
    }

    pub(crate) fn tcp(&self) -> String {
        self.address("tcp")
    }

    pub(crate) fn http(&self) -> String {
        self.address("http")
    }

    fn address(&self, kind: &str) -> String {
        std::fs::read_to_string(self.folder.join(self.name).with_extension(kind)).unwrap().trim().to_owned()
    }

    async fn answers(&self) {
        // The first start may have to install them.
        for _ in 0..6000 {
            if self.folder.join(self.name).with_extension("http").exists()
                && ask(&self.http(), "GET", "/ping", b"").await.is_ok_and(|answer| answer.ends_with("OK"))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} does not answer: see {}", self.name, self.folder.display());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(name: &str, folder: &Path, lookup_folder: &Path, flags: &[&str]) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/nsq.sh");
    let log = std::fs::File::options().create(true).append(true).open(folder.join(name).with_extension("log")).unwrap();
    Command::new("sh")
        .arg(script)
        .arg(name)
        .arg(folder)
        .args(flags)
        .env("NSQ_LOOKUP_FOLDER", lookup_folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Head and body of the answer.
pub(crate) async fn ask(address: &str, method: &str, path: &str, body: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

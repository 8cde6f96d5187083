//! The server inside another program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::cli;
use crate::config::{ServeInput, ServerConfig};
use crate::grpc::{self, Host, ServeError};

/// What a server inside a program works with; everything else is as `recognizer serve` has it without options.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// Folder of known people.
    pub known: PathBuf,
    /// Folder of the index; made when it is not there.
    pub index: PathBuf,
    /// Photos are read from below these folders alone; from anywhere when there are none.
    pub image_roots: Vec<PathBuf>,
}

/// Why a server inside a program could not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("the recognizer: {0}")]
pub struct EmbeddedError(String);

impl From<ServeError> for EmbeddedError {
    fn from(error: ServeError) -> Self {
        Self(error.to_string())
    }
}

/// A server on a free port of this host, with the built-in models. It logs to the program's `tracing` subscriber.
/// Dropped, it stops without being waited for.
#[derive(Debug)]
pub struct Embedded {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), ServeError>>,
}

impl Embedded {
    /// Starts it, and returns once it has learned the known people. Not for the threads of an async runtime.
    ///
    /// # Errors
    /// What `recognizer serve` would say.
    pub fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let config = ServerConfig::resolve(ServeInput {
            address: Some("127.0.0.1:0".into()),
            metrics_address: Some("off".into()),
            known: Some(options.known),
            index: Some(options.index),
            image_roots: Some(options.image_roots),
            ..ServeInput::default()
        })
        .map_err(|error| EmbeddedError(error.to_string()))?;
        let recognizer = cli::recognizer(&config).map_err(|error| EmbeddedError(error.to_string()))?;
        let (stop, stopped) = oneshot::channel();
        let (listening, listens) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("recognizer".into())
            .spawn(move || grpc::serve(recognizer, config, Host::Program { stop: stopped, listening }))
            .map_err(|error| EmbeddedError(error.to_string()))?;
        match listens.blocking_recv() {
            Ok(address) => Ok(Self { address, stop, thread }),
            Err(_) => {
                ended(thread)?;
                Err(EmbeddedError("ended before it listened".into()))
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the calls under way finish, and waits for its end. Not for the threads of an async runtime.
    ///
    /// # Errors
    /// When calls were cut off, or the server had ended by itself.
    pub fn stop(self) -> Result<(), EmbeddedError> {
        // An error says that it has ended already: why, comes next.
        let _ = self.stop.send(());
        ended(self.thread)
    }
}

fn ended(thread: JoinHandle<Result<(), ServeError>>) -> Result<(), EmbeddedError> {
    thread.join().map_err(|_| EmbeddedError("internal error".into()))?.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_inside_a_program_listens_and_stops() {
        let dir = tempfile::tempdir().unwrap();
        let known = concat!(env!("CARGO_MANIFEST_DIR"), "/../known_people").into();
        let options = EmbeddedOptions { known, index: dir.path().join("index"), image_roots: Vec::new() };
        let server = Embedded::start(options).unwrap();
        std::net::TcpStream::connect(server.address()).unwrap();
        server.stop().unwrap();
    }

    #[test]
    fn what_it_cannot_start_with_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions {
            known: dir.path().to_owned(),
            index: dir.path().join("index"),
            image_roots: vec![dir.path().join("nowhere")],
        };
        let error = Embedded::start(options).unwrap_err().to_string();
        assert!(error.starts_with("the recognizer: image_roots: "), "{error}");
    }
}

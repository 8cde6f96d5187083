//! Connections: accepted one by one, encrypted aside, bounded in number, closed without loss.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::tls::Tls;
use crate::telemetry::Metrics;

/// How long a client may take to agree on encryption, and again until it speaks HTTP/2.
const OPENING: Duration = Duration::from_secs(10);

/// What every HTTP/2 client says first, in bytes.
const PREFACE_BYTES: usize = 24;

/// How long the other side may take to read the last answers before the connection is dropped.
const LINGER: Duration = Duration::from_secs(1);

/// Pause when the system has no descriptor for another connection.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

/// Connections that are ready to be served, at most, before others have to wait.
const READY: usize = 64;

/// Accepts connections until the stream is dropped; the port is closed then. A connection beyond `limit`
/// is closed at once, so that its client can go elsewhere.
pub(super) fn accept(
    listener: TcpListener,
    tls: Option<Tls>,
    limit: usize,
    metrics: Metrics,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(READY);
    let places = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = sender.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Of one connection that is gone already, or of a system at its limits.
                    tracing::debug!(%error, "a connection could not be accepted");
                    metrics.connection_refused("system");
                    tokio::time::sleep(OUT_OF_FILES).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::debug!(limit, "a connection over the limit was closed");
                metrics.connection_refused("limit");
                continue;
            };
            let held = Held::new(place, metrics.clone());
            let (tls, sender, metrics) = (tls.clone(), sender.clone(), metrics.clone());
            tokio::spawn(async move {
                match open(stream, tls).await {
                    // Fails when the server stops: the client finds the connection closed before a call.
                    Ok(transport) => drop(sender.send(Ok(Connection::new(transport, held))).await),
                    Err(error) => {
                        tracing::debug!(%error, "a client and the server could not agree on encryption");
                        metrics.connection_refused("handshake");
                    }
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

async fn open(stream: TcpStream, tls: Option<Tls>) -> io::Result<Transport> {
    stream.set_nodelay(true)?;
    match tls {
        None => Ok(Transport::Plain(stream)),
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.current()).accept(stream);
            let stream = tokio::time::timeout(OPENING, handshake).await.map_err(|_| io::ErrorKind::TimedOut)??;
            Ok(Transport::Tls(Box::new(stream)))
        }
    }
}

/// A place among the connections, counted while it is held.
#[derive(Debug)]
struct Held {
    _place: OwnedSemaphorePermit,
    metrics: Metrics,
}

impl Held {
    fn new(place: OwnedSemaphorePermit, metrics: Metrics) -> Self {
        metrics.connections().inc();
        Self { _place: place, metrics }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.connections().dec();
    }
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }
}

/// How far a connection is.
#[derive(Debug)]
enum Phase {
    /// Nothing but a part of the preface was received; the connection ends with the timer.
    Opening(Pin<Box<Sleep>>, usize),
    Open,
    /// Everything was sent and the other side knows; it may still be reading.
    Closing(Pin<Box<Sleep>>),
}

/// One connection, encrypted or not.
#[derive(Debug)]
pub(super) struct Connection {
    transport: Transport,
    phase: Phase,
    _held: Held,
}

impl Connection {
    fn new(transport: Transport, held: Held) -> Self {
        Self { transport, phase: Phase::Opening(Box::pin(tokio::time::sleep(OPENING)), 0), _held: held }
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match &self.transport {
            Transport::Plain(stream) => stream.connect_info(),
            Transport::Tls(stream) => stream.get_ref().0.connect_info(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = match &mut this.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if let Phase::Opening(timer, received) = &mut this.phase {
            *received += buf.filled().len() - before;
            if *received >= PREFACE_BYTES {
                this.phase = Phase::Open;
            } else if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Says that nothing more comes, and waits until the other side has closed as well. Closing while
    /// bytes of the client are unread would reset the connection, and a reset may overtake the last answers.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !matches!(this.phase, Phase::Closing(_)) {
            ready!(match &mut this.transport {
                Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
                Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            })?;
            this.phase = Phase::Closing(Box::pin(tokio::time::sleep(LINGER)));
        }
        let Phase::Closing(timer) = &mut this.phase else { return Poll::Ready(Ok(())) };
        // First: a client that never stops sending would leave the timer no turn.
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut unread = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut unread);
            match Pin::new(this.transport.tcp()).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

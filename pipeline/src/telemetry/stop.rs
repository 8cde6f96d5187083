//! The end of the process, on request.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells when the service is to end. Clones tell the same.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<()>);

impl Stop {
    /// Comes with SIGTERM or SIGINT; the second of them ends the process at once.
    ///
    /// # Errors
    /// When the process cannot listen to signals.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn by_signal() -> io::Result<Self> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (running, stop) = Self::by_hand();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
            drop(running);
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::warn!("stopped at once");
            std::process::exit(1);
        });
        Ok(stop)
    }

    /// Comes when the first of the pair is dropped.
    pub fn by_hand() -> (watch::Sender<()>, Self) {
        let (running, stop) = watch::channel(());
        (running, Self(stop))
    }

    /// Returns when it has come.
    pub async fn wait(mut self) {
        while self.0.changed().await.is_ok() {}
    }

    /// Whether it has come.
    pub fn has_come(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

//! What every service does when it starts.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use recognizer_server::EmbeddedError;
use tokio::net::TcpListener;

use crate::config::DatabaseSettingsError;
use crate::recognizer::AddressError;
use crate::redeemer::RedeemError;
use crate::store::{Store, StoreError};
use crate::telemetry::{HealthError, Readiness, Stop};

/// Why a service could not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The address is taken, or is none of this host's.
    #[error("could not listen on {address}: {reason}; choose another address")]
    Listen { address: SocketAddr, reason: io::Error },
    /// The database's settings, or the database.
    #[error(transparent)]
    Database(#[from] DatabaseSettingsError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The recognizer's address.
    #[error("{0} with --grpc-address")]
    Recognizer(#[from] AddressError),
    /// The recognizer inside.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The folder of known people.
    #[error(
        "{}: no known people: {reason}; make the folder with a photo of each, or name another with --known",
        folder.display()
    )]
    KnownPeople { folder: PathBuf, reason: io::Error },
    /// The one run of a redeemer.
    #[error("photos could not be given another try: {0}")]
    Redeem(#[from] RedeemError),
    /// The service that was asked is not well.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// The system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs a service to its end.
pub(super) fn block_on(service: impl Future<Output = Result<(), StartError>>) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(service);
    // What is left has been given up.
    runtime.shutdown_background();
    ended
}

/// Whether a service that needs `store` can do its work. The queue may be away: photos wait in the outbox.
pub(crate) fn readiness(store: &Store, stop: &Stop) -> Readiness {
    let store = store.clone();
    Readiness::until(stop.clone()).with("database", move || {
        let store = store.clone();
        async move { store.ping().await }
    })
}

/// Listens on `address`; on every IPv4 address where a host without IPv6 is asked for every address.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = match TcpListener::bind(address).await {
        Err(error) if address.ip() == std::net::Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        listener => listener,
    };
    let listener = listener.map_err(|reason| StartError::Listen { address, reason })?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    Ok(listener)
}

//! Asks a running service whether it is well: for containers that have no shell.

use std::io;

use hyper::StatusCode;

use crate::http_client;

/// Why a service is not well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HealthError {
    /// It does not answer.
    #[error("nothing answers at {address}: {reason}")]
    NoAnswer {
        /// Where it was asked.
        address: String,
        /// What was tried.
        reason: io::Error,
    },
    /// It answers that it cannot work.
    #[error("the service at {address} is not ready: {reason}")]
    NotReady {
        /// Where it was asked.
        address: String,
        /// In its words.
        reason: String,
    },
}

/// Asks the service at `address` (`host:port`) whether it can do its work.
///
/// # Errors
/// When it cannot, or does not answer.
pub async fn health(address: &str) -> Result<(), HealthError> {
    match http_client::get(address, "/readyz").await {
        Ok((StatusCode::OK, _)) => Ok(()),
        Ok((_, body)) => Err(HealthError::NotReady {
            address: address.to_owned(),
            reason: String::from_utf8_lossy(&body).trim().to_owned(),
        }),
        Err(reason) => Err(HealthError::NoAnswer { address: address.to_owned(), reason }),
    }
}

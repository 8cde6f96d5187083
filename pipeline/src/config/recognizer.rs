//! Settings of the way to the recognizer.

use std::time::Duration;

use crate::recognizer::{AddressError, Recognizer};

/// Where the recognizer is.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Recognizer")]
pub struct RecognizerSettings {
    /// The recognizer, over gRPC
    #[arg(long, env = "GRPC_ADDRESS", value_name = "HOST:PORT", default_value = "localhost:50051")]
    pub grpc_address: String,
    /// Connections there: with several, recognizers behind one name share the photos
    #[arg(long, env = "GRPC_CONNECTIONS", value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub grpc_connections: u16,
    /// Age at which such a connection is replaced by one to an address that the name has then
    #[arg(long, env = "GRPC_CONNECTION_AGE_SECONDS", value_name = "SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub grpc_connection_age_seconds: u32,
}

impl RecognizerSettings {
    /// The recognizer there, which may take `timeout` for a photo.
    ///
    /// # Errors
    /// When the address is none.
    pub fn recognizer(&self, timeout: Duration) -> Result<Recognizer, AddressError> {
        let age = Duration::from_secs(self.grpc_connection_age_seconds.into());
        Ok(Recognizer::new(&self.grpc_address, timeout)?.over(self.grpc_connections, age))
    }
}

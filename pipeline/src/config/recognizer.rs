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
}

impl RecognizerSettings {
    /// The recognizer there, which may take `timeout` for a photo.
    ///
    /// # Errors
    /// When the address is none.
    pub fn recognizer(&self, timeout: Duration) -> Result<Recognizer, AddressError> {
        Recognizer::new(&self.grpc_address, timeout)
    }
}

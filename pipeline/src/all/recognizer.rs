//! The recognizer of the process: at an address, or inside.

use crate::cli::StartError;

/// Which recognizer is asked.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Recognizer")]
pub(super) struct RecognizerOptions {
    /// The recognizer, over gRPC
    #[arg(long, env = "GRPC_ADDRESS", value_name = "HOST:PORT", default_value = "localhost:50051")]
    grpc_address: String,
}

/// A recognizer that answers at an address.
#[derive(Debug)]
pub(super) struct RunningRecognizer {
    address: String,
}

impl RecognizerOptions {
    /// Starts the recognizer, or takes the one that runs at the address.
    pub(super) async fn start(&self) -> Result<RunningRecognizer, StartError> {
        Ok(RunningRecognizer { address: self.grpc_address.clone() })
    }
}

impl RunningRecognizer {
    /// Where it answers.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Ends it in good order when it is inside.
    pub(super) async fn stop(self) {}
}

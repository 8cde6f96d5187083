//! `pipeline health`.

use super::start::StartError;
use crate::telemetry;

/// Ask a running service whether it is well
///
/// Exits with 0 when /readyz says so: a health command for containers without a shell.
#[derive(Debug, clap::Args)]
pub(super) struct Health {
    /// Address of the service's /readyz
    #[arg(value_name = "HOST:PORT")]
    address: String,
}

impl Health {
    pub(super) async fn run(self) -> Result<(), StartError> {
        Ok(telemetry::health(&self.address).await?)
    }
}

//! `recognizer call health`.

use clap::Args;
use serde::Serialize;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::client::DEFAULT_TIMEOUT;
use super::{CliError, Client, Outcome, Output};

/// Tell whether the server is ready; exit status 0 or 1
#[derive(Debug, Args)]
pub(super) struct Health {
    /// Service to ask for [default: the whole server]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    service: String,
}

#[derive(Serialize)]
struct HealthRecord {
    ready: bool,
    status: &'static str,
}

impl Health {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<Outcome, CliError> {
        let request = HealthCheckRequest { service: self.service };
        let mut health = HealthClient::new(client.connection(Some(DEFAULT_TIMEOUT)));
        let status = health.check(request).await?.into_inner().status();
        let ready = status == ServingStatus::Serving;
        output.answer(&HealthRecord { ready, status: status.as_str_name() }, || status.as_str_name().to_owned())?;
        Ok(Outcome::of(!ready))
    }
}

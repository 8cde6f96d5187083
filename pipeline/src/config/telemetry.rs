//! Settings of the port for operators.

use std::net::SocketAddr;

/// Where a service that answers nothing else tells how it does.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Metrics")]
pub struct TelemetrySettings {
    /// Address of /metrics, /healthz and /readyz
    #[arg(long, env = "METRICS_ADDRESS", value_name = "ADDRESS:PORT", default_value = "[::]:9464")]
    pub metrics_address: SocketAddr,
}

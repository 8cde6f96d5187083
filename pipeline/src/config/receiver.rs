//! Settings of the receiver.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// How the receiver is reached, and what it takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Receiver")]
pub struct ReceiverSettings {
    /// Address that requests are answered on
    #[arg(long, env = "RECEIVER_HOST", value_name = "ADDRESS", default_value_t = IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
    pub receiver_host: IpAddr,
    /// Port that requests are answered on
    #[arg(long, env = "RECEIVER_PORT", value_name = "PORT", default_value_t = 8000)]
    pub receiver_port: u16,
    /// Most photos of one batch
    #[arg(long, env = "RECEIVER_MAX_BATCH", value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub receiver_max_batch: u32,
    /// Largest body with paths, in MiB
    #[arg(long, env = "RECEIVER_MAX_BODY_MIB", value_name = "MIB", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub receiver_max_body_mib: u16,
    /// Folder that photos sent to POST /images are stored in; the recognizer must read it by the same path. Without it
    /// the receiver takes paths alone
    #[arg(long, env = "RECEIVER_UPLOAD_FOLDER", value_name = "FOLDER")]
    pub receiver_upload_folder: Option<PathBuf>,
    /// Largest photo sent there, in MiB
    #[arg(long, env = "RECEIVER_MAX_UPLOAD_MIB", value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub receiver_max_upload_mib: u16,
}

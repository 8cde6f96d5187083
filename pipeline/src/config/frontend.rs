//! Settings of the frontend.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// How the frontend is reached, and which photos it shows and takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Frontend")]
pub struct FrontendSettings {
    /// Address that pages are answered on
    #[arg(long, env = "FRONTEND_HOST", value_name = "ADDRESS", default_value_t = IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
    pub frontend_host: IpAddr,
    /// Port that pages are answered on
    #[arg(long, env = "FRONTEND_PORT", value_name = "PORT", default_value_t = 8081)]
    pub frontend_port: u16,
    /// Folder whose photos are shown, by the path that the recognizer reads them by; may be given several times.
    /// Others are listed without a picture
    #[arg(long = "photo-root", env = "FRONTEND_PHOTO_ROOTS", value_name = "FOLDER", value_delimiter = ':')]
    pub photo_roots: Vec<PathBuf>,
    /// Folder that photos sent from the page are stored in, and shown from; the recognizer must read it by the same
    /// path. Without it the page takes none
    #[arg(long, env = "FRONTEND_UPLOAD_FOLDER", value_name = "FOLDER")]
    pub upload_folder: Option<PathBuf>,
    /// Largest photo that the page takes, in MiB
    #[arg(long, env = "FRONTEND_MAX_UPLOAD_MIB", value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_upload_mib: u16,
}

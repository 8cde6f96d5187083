//! `recognizer serve`.

use std::path::PathBuf;

use clap::Args;

use super::Outcome;
use super::error::CliError;
use super::photo_options::PhotoOptions;
use super::session::{IndexOptions, Session};
use crate::grpc::{self, ServeError, ServerOptions};

/// Answer over gRPC
///
/// Learns the folder of known people at start and keeps watching it: a photo dropped into it, changed
/// or removed counts within seconds. Serves facerecog.Identify, facerecog.HealthCheck,
/// grpc.health.v1.Health and server reflection, without encryption. SIGTERM and SIGINT let the calls
/// under way finish, for at most ten seconds.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  recognizer serve --known known_people
  grpcurl -plaintext -d '{\"image_path\": \"photo.jpg\"}' localhost:50051 facerecog.Identify/Identify

Only photos below given folders, on another port:
  recognizer serve --addr 127.0.0.1:6000 --photo-root /unknown_people")]
pub(crate) struct Serve {
    /// Address to listen on
    #[arg(long, value_name = "HOST:PORT", default_value = grpc::DEFAULT_ADDRESS)]
    addr: String,
    /// Folder of known people
    #[arg(long, env = "KNOWN_PEOPLE", value_name = "DIR", default_value = "known_people")]
    known: PathBuf,
    #[command(flatten)]
    index: IndexOptions,
    /// Read photos below this folder alone; may be given several times [default: any photo]
    #[arg(long, env = "FACERECOG_PHOTO_ROOTS", value_delimiter = ':', value_name = "DIR")]
    photo_root: Vec<PathBuf>,
    #[command(flatten)]
    photo: PhotoOptions,
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Serve {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let options = ServerOptions {
            address: self.addr,
            index_dir: session.index_dir(&self.index),
            known: self.known,
            photo_roots: self.photo_root,
            limits: self.photo.limits(),
            enrol_limits: self.photo.enrol_limits(),
        };
        grpc::serve(session.recognizer(self.photo.detect())?, options)?;
        Ok(Outcome::Complete)
    }
}

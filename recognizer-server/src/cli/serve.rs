//! `recognizer serve`.

use std::sync::Arc;

use clap::Args;
use facerecog_engine::recognizer::Recognizer;

use super::error::CliError;
use super::person_score::person_score;
use super::session::{Session, SessionOptions};
use super::{GlobalOptions, Outcome};
use crate::config::{ConfigError, LogLevel, ServeInput, ServerConfig};
use crate::grpc::{self, Host, ServeError};
use crate::telemetry;

/// Answer over gRPC
///
/// Learns the folder of known people at start and keeps watching it: a photo dropped into it, changed
/// or removed counts within seconds. Serves facerecog.Identify, facerecog.HealthCheck,
/// facerecog.v1.Recognizer, grpc.health.v1.Health and server reflection. Every option can be given as
/// a flag, in the environment, or in a TOML file with its name (--max-faces is max_faces there); the
/// first of these that has it counts.
///
/// SIGTERM and SIGINT let the calls under way finish, a second one ends at once. SIGHUP reads the
/// configuration file, the certificate and the token again, and looks at the known people.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  recognizer serve --known known_people
  grpcurl -plaintext -d '{\"image_path\": \"photo.jpg\"}' localhost:50051 facerecog.Identify/Identify

Only photos below given folders, encrypted, on another port:
  recognizer serve --address 127.0.0.1:6000 --image-root /unknown_people \\
      --tls-certificate server.pem --tls-key server.key

From a file:
  recognizer config --known known_people > facerecog.toml
  recognizer serve --config facerecog.toml")]
pub(crate) struct Serve {
    #[command(flatten)]
    input: ServeInput,
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl Serve {
    pub(crate) fn run(self, options: &GlobalOptions) -> Result<Outcome, CliError> {
        let input = with_global_options(self.input, options);
        let config = ServerConfig::resolve(input.clone())?;
        let log = Arc::new(telemetry::server_log(&config));
        let again = move || ServerConfig::resolve(input.clone());
        let host = Host::Process { log: Arc::clone(&log), reread: Box::new(again) };
        grpc::serve(recognizer(&config)?, config, host)?;
        Ok(Outcome::Complete)
    }
}

/// The recognizer that a configuration describes.
pub(crate) fn recognizer(config: &ServerConfig) -> Result<Recognizer, CliError> {
    let session = Session::new(&SessionOptions {
        json: false,
        pack: Some(config.pack.clone()),
        models: Some(config.models.clone()),
        manifest: config.manifest.clone(),
        precision: config.precision,
        flip: config.flip,
    })?;
    let score = person_score(config.templates, config.photos_per_person);
    let recognizer = session.recognizer(config.detect())?;
    // What the pack cannot promise for one known photo, it cannot for more.
    recognizer.pack().decision().for_search(config.decision_rule(), 1, &config.pack)?;
    Ok(recognizer.with_person_score(score))
}

/// The options of every command are keys of the configuration as well.
pub(super) fn with_global_options(input: ServeInput, options: &GlobalOptions) -> ServeInput {
    let more = (options.verbose > 1).then_some(LogLevel::Debug);
    ServeInput {
        pack: options.session.pack.clone(),
        models: options.session.models.clone(),
        manifest: options.session.manifest.clone(),
        precision: options.session.precision.map(|precision| precision.name().to_owned()),
        flip: options.session.flip,
        threads: options.threads,
        log_level: input.log_level.or(more),
        ..input
    }
}

//! `recognizer config`.

use clap::Args;

use super::error::CliError;
use super::output::Output;
use super::serve::with_global_options;
use super::{GlobalOptions, Outcome};
use crate::config::{ServeInput, ServerConfig};

/// Print what `serve` would run with
///
/// Takes the options of `serve`, checks them, and prints every setting that holds as a TOML file that
/// `serve --config` reads, or with --json as one object. Certificates, keys and tokens are named by
/// their files; what is in them is not read.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  recognizer config --known known_people > facerecog.toml
  FACERECOG_MIN_FACE=20 recognizer config --config facerecog.toml --json")]
pub(crate) struct Config {
    #[command(flatten)]
    input: ServeInput,
}

impl Config {
    pub(crate) fn run(self, options: &GlobalOptions) -> Result<Outcome, CliError> {
        let config = ServerConfig::resolve(with_global_options(self.input, options))?;
        // A path that is not UTF-8 has no place in either form.
        let text = toml::to_string(&config).map_err(|error| CliError::Failed(error.to_string()))?;
        Output::new(options.session.json).answer(&config, || text.trim_end().to_owned())?;
        Ok(Outcome::Complete)
    }
}

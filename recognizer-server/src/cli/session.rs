//! What every command shares: the models in use, where things are kept, and the form of answers.

use std::path::PathBuf;

use clap::Args;
use facerecog_engine::detect::DetectOptions;
use facerecog_engine::model::{Manifest, Pack};
use facerecog_engine::recognizer::Recognizer;

use super::error::CliError;
use super::model_folder;
use super::output::Output;
use crate::config::default_index_dir;

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct SessionOptions {
    /// Answer in JSON, one object a line
    #[arg(long, global = true, help_heading = "General options")]
    pub(crate) json: bool,
    /// Pack of models to use; `recognizer models list` shows what there is [default: builtin]
    #[arg(long, global = true, env = "FACERECOG_PACK", value_name = "NAME", help_heading = "General options")]
    pub(crate) pack: Option<String>,
    /// Folder of model files that are not inside the program [default: ~/.local/share/facerecog/models]
    #[arg(long, global = true, env = "FACERECOG_MODELS", value_name = "DIR", help_heading = "General options")]
    pub(crate) models: Option<PathBuf>,
    /// Manifest that describes the packs, instead of the one inside the program
    #[arg(long, global = true, env = "FACERECOG_MANIFEST", value_name = "FILE", help_heading = "General options")]
    pub(crate) manifest: Option<PathBuf>,
}

/// Where the index of known people is kept.
#[derive(Debug, Args)]
pub(crate) struct IndexOptions {
    /// Folder of the index [default: facerecog-index/<pack>]
    #[arg(long, env = "FACERECOG_INDEX", value_name = "DIR")]
    index: Option<PathBuf>,
}

/// The options, resolved.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) output: Output,
    pub(crate) manifest: Manifest,
    pub(crate) pack_name: String,
    pub(crate) models_dir: PathBuf,
}

impl Session {
    pub(crate) fn new(options: &SessionOptions) -> Result<Self, CliError> {
        let manifest = match &options.manifest {
            Some(path) => Manifest::load(path).map_err(|error| CliError::Usage(error.to_string()))?,
            None => Manifest::builtin(),
        };
        Ok(Self {
            output: Output::new(options.json),
            manifest,
            pack_name: options.pack.clone().unwrap_or_else(|| "builtin".into()),
            models_dir: options.models.clone().unwrap_or_else(model_folder::default_model_folder),
        })
    }

    pub(crate) fn pack(&self) -> Result<Pack, CliError> {
        Ok(self.manifest.pack(&self.pack_name, Some(&self.models_dir))?)
    }

    pub(crate) fn recognizer(&self, options: DetectOptions) -> Result<Recognizer, CliError> {
        Ok(Recognizer::new(self.pack()?, options)?)
    }

    /// The index folder: one a pack, since embeddings of different packs cannot be compared.
    pub(crate) fn index_dir(&self, options: &IndexOptions) -> PathBuf {
        options.index.clone().unwrap_or_else(|| default_index_dir(&self.pack_name))
    }
}

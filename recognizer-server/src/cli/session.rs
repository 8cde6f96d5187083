//! What every command shares: the models in use, where things are kept, and the form of answers.

use std::path::PathBuf;

use clap::Args;
use facerecog_engine::detect::DetectOptions;
use facerecog_engine::model::{Manifest, Pack, Precision};
use facerecog_engine::recognizer::Recognizer;

use super::error::CliError;
use super::model_folder;
use super::output::Output;
use crate::config::default_index_dir;

/// Name of the manifest of the user's in the models folder.
const OWN_MANIFEST: &str = "manifest.toml";

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
    /// Manifest that describes the packs, instead of the one inside the program and manifest.toml in the models folder
    #[arg(long, global = true, env = "FACERECOG_MANIFEST", value_name = "FILE", help_heading = "General options")]
    pub(crate) manifest: Option<PathBuf>,
    /// Numbers that networks calculate with: f32, bf16, or int8 after `recognizer models calibrate` [default: the pack's]
    #[arg(long, global = true, env = "FACERECOG_PRECISION", value_name = "PRECISION", value_parser = precision, help_heading = "General options")]
    pub(crate) precision: Option<Precision>,
    /// Embed every face and its mirror image and take the mean: more accurate, twice the time, and an index of its own [default: the pack's]
    #[arg(long, global = true, env = "FACERECOG_FLIP", value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "General options")]
    pub(crate) flip: Option<bool>,
}

pub(crate) fn precision(name: &str) -> Result<Precision, String> {
    Precision::named(name).ok_or_else(|| format!("there are: {}", Precision::ALL.map(Precision::name).join(", ")))
}

/// Where the index of known people is kept.
#[derive(Debug, Args)]
pub(crate) struct IndexOptions {
    /// Folder of the index [default: facerecog-index/<pack>, with --precision or --flip facerecog-index/<pack>-<precision>-flip]
    #[arg(long, env = "FACERECOG_INDEX", value_name = "DIR")]
    index: Option<PathBuf>,
}

/// The options, resolved.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) output: Output,
    pub(crate) manifest: Manifest,
    pub(crate) pack_name: String,
    /// The one that was asked for instead of the pack's own.
    pub(crate) precision: Option<Precision>,
    /// Whether mirror images were asked for, or refused, instead of the pack's own choice.
    pub(crate) flip: Option<bool>,
    pub(crate) models_dir: PathBuf,
    /// The pack that was asked for by name.
    pub(crate) asked_pack: Option<String>,
    /// The manifest that packs of the user's are added to.
    pub(crate) own_manifest: PathBuf,
}

impl Session {
    pub(crate) fn new(options: &SessionOptions) -> Result<Self, CliError> {
        let models_dir = options.models.clone().unwrap_or_else(model_folder::default_model_folder);
        let own_manifest = options.manifest.clone().unwrap_or_else(|| models_dir.join(OWN_MANIFEST));
        let manifest = match &options.manifest {
            Some(path) => Manifest::load(path),
            None => Manifest::builtin_with(&own_manifest),
        };
        let manifest = manifest.map_err(|error| CliError::Usage(error.to_string()))?;
        let manifest = match options.precision {
            Some(precision) => manifest.with_precision(precision),
            None => manifest,
        };
        let manifest = match options.flip {
            Some(flip) => manifest.with_flip(flip),
            None => manifest,
        };
        Ok(Self {
            output: Output::new(options.json),
            manifest,
            pack_name: options.pack.clone().unwrap_or_else(|| "builtin".into()),
            precision: options.precision,
            flip: options.flip,
            asked_pack: options.pack.clone(),
            models_dir,
            own_manifest,
        })
    }

    pub(crate) fn pack(&self) -> Result<Pack, CliError> {
        Ok(self.manifest.pack(&self.pack_name, Some(&self.models_dir))?)
    }

    pub(crate) fn recognizer(&self, options: DetectOptions) -> Result<Recognizer, CliError> {
        Ok(Recognizer::new(self.pack()?, options)?)
    }

    /// The index folder: one a kind of embeddings, since those of different ones cannot be compared.
    pub(crate) fn index_dir(&self, options: &IndexOptions) -> PathBuf {
        options.index.clone().unwrap_or_else(|| default_index_dir(&self.pack_name, self.precision, self.flip))
    }
}

//! The manifest: which packs there are, which files they need, and how their networks are fed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use facerecog_kernels::network::Precision;
use serde::{Deserialize, Deserializer};

use super::calibration::Calibration;
use super::decision::Decision;
use super::error::ModelError;
use super::network_bytes::NetworkBytes;
use super::onnx_file::OnnxFile;
use super::pack::{NetworkFile, Pack};
use crate::BoundingBox;
use crate::align::Fit;
use crate::detect::Landmarks;
use crate::embed::Metric;

/// Every pack that can be asked for by name; written in TOML, see `models/manifest.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    packs: BTreeMap<String, PackEntry>,
}

/// A pack in the manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackEntry {
    /// What it is good for, in a sentence.
    pub description: String,
    /// Numbers that products of all its networks are taken of, `f32` without another word. A CPU without the one asked
    /// for refuses the pack. `int8` takes a [`Calibration`] beside the networks.
    #[serde(default, deserialize_with = "precision")]
    pub precision: Precision,
    /// How faces are found.
    pub detector: DetectorEntry,
    /// How faces are turned into embeddings.
    pub embedder: EmbedderEntry,
    /// When two embeddings are of the same person.
    pub decision: Decision,
}

/// A detector in the manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorEntry {
    /// How its outputs are read.
    pub decoder: Decoder,
    /// Faces below this confidence, 0…1, are dropped.
    pub min_score: f32,
    /// Its files, in the decoder's order.
    pub networks: Vec<ModelFile>,
}

/// The kinds of detectors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoder {
    /// The cascade of P-Net, R-Net and O-Net, three files in this order.
    Mtcnn,
    /// SCRFD with landmarks, one file as InsightFace exports it.
    Scrfd,
    /// YuNet, one file.
    Yunet,
}

impl Decoder {
    /// Its name in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mtcnn => "mtcnn",
            Self::Scrfd => "scrfd",
            Self::Yunet => "yunet",
        }
    }

    /// The one that reads the outputs of an ONNX file held in memory, by how many there are and what they are called;
    /// loading the detector finds out whether it does. `name` is for messages.
    ///
    /// # Errors
    /// [`ModelError::Network`] when the file is none, or no detector of one file that is known here.
    pub fn of_file(name: &str, onnx: &[u8]) -> Result<Self, ModelError> {
        let failure = |reason: String| ModelError::Network { network: name.to_owned(), reason };
        let file = OnnxFile::parse(onnx).map_err(failure)?;
        let outputs = &file.graph.output;
        match outputs.len() {
            12 if outputs.iter().any(|output| output.name == "cls_8") => Ok(Self::Yunet),
            // InsightFace's counts, without landmarks too: loading tells why those are of no use.
            6 | 9 | 10 | 15 => Ok(Self::Scrfd),
            count => Err(failure(format!(
                "it has {count} outputs; a detector has 9 or 15 (SCRFD with landmarks) or 12 (YuNet)"
            ))),
        }
    }

    fn networks(self) -> usize {
        match self {
            Self::Mtcnn => 3,
            Self::Scrfd | Self::Yunet => 1,
        }
    }
}

/// An embedder in the manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderEntry {
    /// Its file.
    pub network: ModelFile,
    /// Sides of its square input, in pixels.
    pub input_side: u32,
    /// Order of the channels it was trained on.
    pub channels: Channels,
    /// Subtracted from each channel (values 0…255), in the order of `channels`.
    pub mean: [f32; 3],
    /// Multiplied with each channel after the mean is gone.
    pub scale: [f32; 3],
    /// Where the pack's detector sees the five landmarks in an aligned input, in input pixels.
    pub template: Landmarks,
    /// Landmarks of the embedder's own, which are looked for in every face that the detector found. Faces are aligned by
    /// them and by the detector's, whose errors partly cancel each other.
    #[serde(default)]
    pub landmarks: Option<LandmarksEntry>,
    /// How landmarks are brought onto the template, `crop` without another word.
    #[serde(default)]
    pub fit: Fit,
    /// Whether an embedding is the mean of a crop's and its mirror image's, before it is scaled for the metric. It takes
    /// twice the time.
    #[serde(default)]
    pub flip: bool,
    /// Numbers in an embedding.
    pub dims: usize,
    /// How two embeddings are compared.
    pub metric: Metric,
}

/// Landmarks of the embedder's own in the manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LandmarksEntry {
    /// File of the [`ShapePredictor`](crate::align::ShapePredictor).
    pub predictor: ModelFile,
    /// Where the predictor's box lies in a crop that is aligned by the detector's landmarks, in input pixels. Only its
    /// middle and its size are carried into the photo: a box is never turned.
    pub region: BoundingBox,
    /// Where the predictor sees its landmarks in an aligned input, in input pixels.
    pub template: Landmarks,
}

/// Order of the colour channels in a network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// A network's file in the manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its name in the models folder.
    pub file: String,
    /// sha256 of its content, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// SPDX expression of its licence.
    pub licence: String,
    /// Where it comes from: an address that can be fetched, or words for a built-in file.
    pub source: String,
}

impl PackEntry {
    /// The files of the pack.
    pub fn files(&self) -> impl Iterator<Item = &ModelFile> {
        let landmarks = self.embedder.landmarks.as_ref().map(|landmarks| &landmarks.predictor);
        self.detector.networks.iter().chain([&self.embedder.network]).chain(landmarks)
    }

    /// Whether all its files are inside this library.
    pub fn is_builtin(&self) -> bool {
        self.files().all(ModelFile::is_builtin)
    }
}

impl ModelFile {
    /// Whether this very content is inside this library.
    pub fn is_builtin(&self) -> bool {
        facerecog_models::builtin(&self.sha256).is_some()
    }
}

impl Manifest {
    /// The manifest inside this library.
    pub fn builtin() -> Self {
        Self::parse(facerecog_models::MANIFEST, Path::new("models/manifest.toml"))
            .expect("the built-in manifest is well formed; a test holds it to that")
    }

    /// Reads a manifest file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let text =
            fs::read_to_string(path).map_err(|source| ModelError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// The manifest inside this library, and the packs of a file of the user's, if it is there. A pack of the file stands
    /// before one of the same name inside this library.
    pub fn builtin_with(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let mut manifest = Self::builtin();
        match Self::load(path) {
            Ok(own) => manifest.packs.extend(own.packs),
            Err(ModelError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(manifest)
    }

    /// Reads a manifest from its text; `path` names it in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ModelError> {
        let refuse = |reason: String| ModelError::Manifest { path: path.to_owned(), reason };
        let manifest: Self = toml::from_str(text).map_err(|e| refuse(e.to_string()))?;
        for (name, pack) in &manifest.packs {
            pack.check().map_err(|reason| refuse(format!("pack {name:?}: {reason}")))?;
        }
        Ok(manifest)
    }

    /// The same packs in another precision than their own.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.packs.values_mut().for_each(|pack| pack.precision = precision);
        self
    }

    /// The same packs, with embeddings of crops and their mirror images, or of crops alone.
    pub fn with_flip(mut self, flip: bool) -> Self {
        self.packs.values_mut().for_each(|pack| pack.embedder.flip = flip);
        self
    }

    /// The packs and their names.
    pub fn packs(&self) -> impl Iterator<Item = (&str, &PackEntry)> {
        self.packs.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// What the manifest says of the pack called `name`.
    pub fn entry(&self, name: &str) -> Result<&PackEntry, ModelError> {
        self.packs.get(name).ok_or_else(|| ModelError::UnknownPack {
            name: name.to_owned(),
            known: self.packs.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// The bytes of a file of the pack called `name`, read as for [`pack`](Self::pack).
    ///
    /// # Errors
    /// As [`pack`](Self::pack), for this file.
    pub fn network_bytes(
        &self,
        name: &str,
        file: &ModelFile,
        models_dir: Option<&Path>,
    ) -> Result<NetworkBytes, ModelError> {
        read_file(name, file, models_dir)
    }

    /// The pack called `name`, its files read from `models_dir` and checked, or taken from this
    /// library when they are inside it.
    pub fn pack(&self, name: &str, models_dir: Option<&Path>) -> Result<Pack, ModelError> {
        let entry = self.entry(name)?;
        let read = |file: &ModelFile| Ok(NetworkFile::new(file, read_file(name, file, models_dir)?));
        let detector = entry.detector.networks.iter().map(read).collect::<Result<_, _>>()?;
        let embedder = read(&entry.embedder.network)?;
        let landmarks = entry.embedder.landmarks.as_ref().map(|entry| read(&entry.predictor)).transpose()?;
        let calibration = match entry.precision {
            Precision::F32 | Precision::Bf16 => Calibration::default(),
            Precision::Int8 => {
                Calibration::load(name, &models_dir.unwrap_or(Path::new("")).join(Calibration::file_name(name)))?
            }
        };
        Ok(Pack::new(name, entry, detector, embedder, landmarks, calibration))
    }
}

impl PackEntry {
    fn check(&self) -> Result<(), String> {
        let (given, needed) = (self.detector.networks.len(), self.detector.decoder.networks());
        if given != needed {
            return Err(format!("the detector takes {needed} networks, {given} are given"));
        }
        if !(16..=1024).contains(&self.embedder.input_side) {
            return Err(format!("embedder input_side {} is outside 16…1024", self.embedder.input_side));
        }
        if !(1..=4096).contains(&self.embedder.dims) {
            return Err(format!("embedder dims {} is outside 1…4096", self.embedder.dims));
        }
        for file in self.files() {
            // A manifest may come from elsewhere: its names must not lead out of the models folder.
            if file.file.is_empty() || file.file.starts_with('.') || file.file.contains(['/', '\\', '\0']) {
                return Err(format!("{:?} is not a plain file name", file.file));
            }
            if file.sha256.len() != 64 || !file.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(format!("{}: sha256 must be 64 hexadecimal digits", file.file));
            }
        }
        Ok(())
    }
}

fn precision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Precision, D::Error> {
    let name = String::deserialize(deserializer)?;
    Precision::named(&name).ok_or_else(|| {
        let known = Precision::ALL.map(Precision::name).join(", ");
        serde::de::Error::custom(format!("no precision {name:?}; there are: {known}"))
    })
}

fn read_file(pack: &str, file: &ModelFile, models_dir: Option<&Path>) -> Result<NetworkBytes, ModelError> {
    if let Some(onnx) = facerecog_models::builtin(&file.sha256) {
        return Ok(NetworkBytes::inside(onnx));
    }
    let missing =
        |searched: String| ModelError::MissingFile { pack: pack.to_owned(), file: file.file.clone(), searched };
    let Some(dir) = models_dir else {
        return Err(missing("this program (no models folder was given)".to_owned()));
    };
    let path = dir.join(&file.file);
    let onnx = match NetworkBytes::open(&path) {
        Ok(onnx) => onnx,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(missing(dir.display().to_string())),
        Err(source) => return Err(ModelError::Unreadable { path, source }),
    };
    let actual = onnx.sha256();
    if !actual.eq_ignore_ascii_case(&file.sha256) {
        return Err(ModelError::WrongDigest { path, actual, expected: file.sha256.clone() });
    }
    Ok(onnx)
}

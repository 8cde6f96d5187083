//! `recognizer models add`.

mod entry;
mod preset;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use facerecog_engine::detect::DetectOptions;
use facerecog_engine::embed::Metric;
use facerecog_engine::model::{
    BUILTIN, Channels, Decoder, DetectorEntry, EmbedderEntry, EmbedderInput, Manifest, ModelFile, NetworkBytes,
    examine_embedder,
};
use facerecog_engine::photo::Photo;
use facerecog_engine::recognizer::Recognizer;
use serde::Serialize;

use super::Outcome;
use super::decision_options::distance;
use super::error::CliError;
use super::models_fetch::{self, Download};
use super::own_manifest::OwnManifest;
use super::photo_options::fraction;
use super::session::Session;
use entry::Entry;
use preset::{Kind, Template};

/// Make a pack of an embedder of your own, after trying it
///
/// The network is run: its input and output must have the right shapes, its embeddings must be finite, the same for the same
/// image and others for other images, and the same from facerecog's kernels and from tract. The file is copied into the
/// models folder, and an entry added to manifest.toml there (or to --manifest); what that has already stays as it is. The
/// pack is then one of those that --pack knows.
///
/// Nothing is known of the pack's errors yet: until `eval calibrate` has measured them, its threshold is the one that the
/// kind of network is known for.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  OpenCV's SFace, and use it:
      recognizer models add face_recognition_sface_2021dec.onnx --kind sface --pack sface
      recognizer --pack sface identify photo.jpg --known known_people

  An ArcFace network, with the SCRFD detector that comes with it:
      recognizer models add w600k_r50.onnx --kind arcface --pack r50 --detector det_10g.onnx

  Another detector for the embedder of a pack:
      recognizer models add fast --pack fast-scrfd --detector scrfd_2.5g_bnkps.onnx

  An embedder that was trained otherwise:
      recognizer models add mine.onnx --template arcface-112 --channels bgr --mean 127.5 --scale 0.0078125 \\
          --licence MIT --source 'our own, May 2026'

  How many errors does it make? Write that into its entry:
      recognizer --pack sface eval calibrate people/ --data 'our staff' --date 2026-05-01 \\
          --write ~/.local/share/facerecog/models/manifest.toml

docs/models.md has networks that are known to work, where they are, and their licences.")]
pub(super) struct Add {
    /// ONNX file of the embedder, or a pack whose embedder is taken
    #[arg(value_name = "FILE|PACK")]
    embedder: PathBuf,
    /// What the embedder is: stands for the options below that are not given [default: arcface]
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Where landmarks lie in the aligned crop [default: the kind's]
    #[arg(long, value_enum)]
    template: Option<Template>,
    /// Order of the colour channels that the embedder was trained on [default: the kind's]
    #[arg(long, value_enum)]
    channels: Option<Order>,
    /// Subtracted from pixels of 0…255, one number or one for each channel [default: the kind's]
    #[arg(long, value_name = "X[,X,X]", value_parser = channels, allow_hyphen_values = true)]
    mean: Option<[f32; 3]>,
    /// Multiplied with them afterwards, as 0.0078125 for 1/128 [default: the kind's]
    #[arg(long, value_name = "X[,X,X]", value_parser = channels)]
    scale: Option<[f32; 3]>,
    /// How embeddings are compared [default: the kind's]
    #[arg(long, value_enum)]
    metric: Option<Measure>,
    /// Distance below which two faces are one person, until it is measured: √(2 − 2·cosine) for cosine [default: the kind's]
    #[arg(long, value_name = "DISTANCE", value_parser = distance)]
    threshold: Option<f32>,
    /// Licence of the embedder, an SPDX expression [default: the kind's, if it has one]
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
    /// Where the embedder is from: an address, or words [default: the kind's, if it has one]
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Pack whose detector is taken, or ONNX file of a detector with five landmarks [default: fast if it was fetched, else builtin]
    #[arg(long, value_name = "PACK|FILE")]
    detector: Option<PathBuf>,
    /// How the outputs of the detector's file are read [default: what its outputs look like]
    #[arg(long, value_enum, requires = "detector")]
    detector_decoder: Option<FileDecoder>,
    /// Faces below this confidence of the detector are dropped [default: 0.5 for a file, else the pack's]
    #[arg(long, value_name = "SCORE", value_parser = fraction)]
    detector_min_score: Option<f32>,
    /// Licence of the detector's file, an SPDX expression
    #[arg(long, value_name = "SPDX", requires = "detector")]
    detector_licence: Option<String>,
    /// Where the detector's file is from
    #[arg(long, value_name = "TEXT", requires = "detector")]
    detector_source: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Rgb,
    Bgr,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Measure {
    Cosine,
    Euclidean,
}

/// Decoders of detectors that are one file.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FileDecoder {
    Scrfd,
    Yunet,
}

/// What a licence is called that nobody named.
const UNKNOWN_LICENCE: &str = "LicenseRef-unknown";

/// InsightFace's own for SCRFD; YuNet's scores are of the same scale.
const DETECTOR_MIN_SCORE: f32 = 0.5;

/// Sides of the photo on which the finished pack is tried.
const TRIED_SIDE: u32 = 320;

fn channels(text: &str) -> Result<[f32; 3], String> {
    let numbers: Option<Vec<f32>> =
        text.split(',').map(|number| number.trim().parse().ok().filter(|number: &f32| number.is_finite())).collect();
    match numbers.as_deref() {
        Some(&[all]) => Ok([all; 3]),
        Some(&[a, b, c]) => Ok([a, b, c]),
        _ => Err("one number, or three as 123.675,116.28,103.53".to_owned()),
    }
}

/// A file that becomes one of the pack's.
struct Brought {
    path: PathBuf,
    file: ModelFile,
}

#[derive(Serialize)]
struct AddRecord {
    pack: String,
    /// The manifest that has it now.
    manifest: String,
    /// The embedder's file in the models folder; none for one inside the program.
    path: Option<String>,
    bytes: u64,
    sha256: String,
    licence: String,
    input_side: u32,
    dims: usize,
    /// `kernels` or `tract`.
    run_by: &'static str,
    /// Why it is run by tract.
    reason: Option<String>,
    /// Between our kernels and tract, as a part of the largest number.
    difference: Option<f32>,
    detector: String,
    threshold: f32,
    /// Whether error rates are known.
    measured: bool,
    /// The command that measures them.
    next: String,
}

impl Add {
    pub(super) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let name = self.pack_name(session)?;
        let (detector, detector_file, detector_text) = self.detector(session)?;
        let (mut embedder, embedder_file, threshold, about_threshold) = self.embedder(session, detector.decoder)?;
        let bytes = match &embedder_file {
            Some(brought) => open(&brought.path)?,
            None => {
                session.manifest.network_bytes(&self.embedder_text(), &embedder.network, Some(&session.models_dir))?
            }
        };
        let input = EmbedderInput {
            side: embedder.input_side,
            channels: embedder.channels,
            mean: embedder.mean,
            scale: embedder.scale,
        };
        let examined = examine_embedder(&self.embedder_text(), &bytes, &input)?;
        drop(bytes);
        embedder.dims = examined.dims;
        if embedder_file.is_some() && examined.scales_itself {
            self.check_scaling(&embedder)?;
        }

        let description = format!("{} with the detector of {detector_text}", self.embedder_text());
        let entry =
            Entry { name: &name, description, detector, embedder, threshold, about_threshold: about_threshold.clone() };
        let mut brought: Vec<PathBuf> = Vec::new();
        let added = [embedder_file.as_ref(), detector_file.as_ref()]
            .into_iter()
            .flatten()
            .try_for_each(|file| bring(file, &name, &session.models_dir, &mut brought))
            .and_then(|()| add(&entry, session));
        if let Err(error) = added {
            // What no manifest names is of no use.
            brought.iter().for_each(|path| _ = fs::remove_file(path));
            return Err(error);
        }

        let manifest = session.own_manifest.display().to_string();
        let network = &entry.embedder.network;
        let record = AddRecord {
            path: (!network.is_builtin()).then(|| session.models_dir.join(&network.file).display().to_string()),
            bytes: network.bytes,
            sha256: network.sha256.clone(),
            licence: network.licence.clone(),
            input_side: entry.embedder.input_side,
            dims: examined.dims,
            run_by: if examined.reason_for_tract.is_none() { "kernels" } else { "tract" },
            reason: examined.reason_for_tract,
            difference: examined.difference,
            detector: detector_text,
            threshold,
            measured: false,
            next: format!(
                "recognizer --pack {name} eval calibrate PEOPLE_FOLDER --data NAME --date YYYY-MM-DD --write {manifest}"
            ),
            manifest,
            pack: name.clone(),
        };
        session.output.answer(&record, || describe(&record, &about_threshold))?;
        Ok(Outcome::Complete)
    }

    /// The name that was asked for, or that of the file.
    fn pack_name(&self, session: &Session) -> Result<String, CliError> {
        let name = match &session.asked_pack {
            Some(name) => name.clone(),
            None => self.embedder.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        };
        // It becomes the name of a folder too.
        let is_plain = (1..=64).contains(&name.len())
            && !name.starts_with(['.', '-'])
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_plain {
            return Err(CliError::Usage(format!(
                "{name:?} is no name for a pack: letters, digits, dots, - and _ are; choose one with --pack NAME"
            )));
        }
        if session.manifest.entry(&name).is_ok() {
            return Err(CliError::Usage(format!(
                "there is a pack named {name:?} already; choose another name with --pack NAME, or remove its tables from {}",
                session.own_manifest.display()
            )));
        }
        Ok(name)
    }

    /// Refuses a kind whose pixels are scaled for a file that does so itself, unless that was asked for: its embeddings
    /// would differ, but hardly tell one face from another.
    fn check_scaling(&self, embedder: &EmbedderEntry) -> Result<(), CliError> {
        let is_asked_for = self.mean.is_some() || self.scale.is_some();
        let is_plain = embedder.mean == [0.0; 3] && embedder.scale == [1.0; 3];
        if is_plain || is_asked_for {
            return Ok(());
        }
        Err(CliError::Usage(format!(
            "{} subtracts a mean itself, and has to be fed pixels of 0…255: say so with --mean 0 --scale 1, or with \
             --kind sface if it is SFace",
            self.embedder_text()
        )))
    }

    /// What messages call the embedder.
    fn embedder_text(&self) -> String {
        self.embedder.file_name().unwrap_or(self.embedder.as_os_str()).to_string_lossy().into_owned()
    }

    /// The detector, the file that it takes, and what it is called.
    fn detector(&self, session: &Session) -> Result<(DetectorEntry, Option<Brought>, String), CliError> {
        let chosen = match &self.detector {
            Some(chosen) => chosen.clone(),
            None if is_here("fast", session) => "fast".into(),
            None => BUILTIN.into(),
        };
        let text = chosen.to_string_lossy().into_owned();
        if let Ok(pack) = session.manifest.entry(&text) {
            if self.detector_decoder.is_some() || self.detector_licence.is_some() || self.detector_source.is_some() {
                return Err(CliError::Usage(format!(
                    "--detector {text} is a pack: --detector-decoder, --detector-licence and --detector-source are for a file"
                )));
            }
            let min_score = self.detector_min_score.unwrap_or(pack.detector.min_score);
            return Ok((DetectorEntry { min_score, ..pack.detector.clone() }, None, format!("pack {text}")));
        }
        let brought = brought(&chosen, self.detector_licence.clone(), self.detector_source.clone(), "--detector")?;
        let decoder = match self.detector_decoder {
            Some(FileDecoder::Scrfd) => Decoder::Scrfd,
            Some(FileDecoder::Yunet) => Decoder::Yunet,
            None => Decoder::of_file(&brought.file.file, &open(&chosen)?)?,
        };
        let entry = DetectorEntry {
            decoder,
            min_score: self.detector_min_score.unwrap_or(DETECTOR_MIN_SCORE),
            networks: vec![brought.file.clone()],
        };
        let text = brought.file.file.clone();
        Ok((entry, Some(brought), text))
    }

    /// The embedder for a detector of this kind, the file that it takes, its threshold, and what is said of that. Its
    /// dimensions are yet to be found.
    fn embedder(
        &self,
        session: &Session,
        decoder: Decoder,
    ) -> Result<(EmbedderEntry, Option<Brought>, f32, String), CliError> {
        let asked = self.threshold.map(|threshold| (threshold, "the one that was given".to_owned()));
        let name = self.embedder.to_string_lossy();
        if let Ok(pack) = session.manifest.entry(&name) {
            if self.kind.is_some() || self.template.is_some() || self.channels.is_some() || self.mean.is_some() {
                return Err(CliError::Usage(format!(
                    "{name} is a pack and says itself how its embedder is fed; --kind, --template, --channels, --mean and \
                     --scale are for a file"
                )));
            }
            let mut embedder = pack.embedder.clone();
            if decoder != pack.detector.decoder
                && let Some(template) = Template::of_side(embedder.input_side)
            {
                embedder.template = template.points(decoder);
            }
            let of_pack = || (pack.decision.threshold, format!("that of pack {name}, with another detector"));
            let (threshold, about) = asked.unwrap_or_else(of_pack);
            return Ok((embedder, None, threshold, about));
        }
        let preset = self.kind.unwrap_or(Kind::Arcface).preset();
        let template = self.template.unwrap_or(preset.template);
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (licence, source) =
            (self.licence.clone().or(text(preset.licence)), self.source.clone().or(text(preset.source)));
        let brought = brought(&self.embedder, licence, source, "")?;
        let embedder = EmbedderEntry {
            network: brought.file.clone(),
            input_side: template.side(),
            channels: match self.channels {
                Some(Order::Rgb) => Channels::Rgb,
                Some(Order::Bgr) => Channels::Bgr,
                None => preset.channels,
            },
            mean: self.mean.unwrap_or(preset.mean),
            scale: self.scale.unwrap_or(preset.scale),
            template: template.points(decoder),
            landmarks: None,
            fit: template.fit(),
            flip: false,
            dims: 0,
            metric: match self.metric {
                Some(Measure::Cosine) => Metric::Cosine,
                Some(Measure::Euclidean) => Metric::Euclidean,
                None => preset.metric,
            },
        };
        let (threshold, about) = asked.unwrap_or_else(|| (preset.threshold.0, preset.threshold.1.to_owned()));
        Ok((embedder, Some(brought), threshold, about))
    }
}

/// Whether all files of a pack's detector are in the models folder, or inside the program.
fn is_here(pack: &str, session: &Session) -> bool {
    let Ok(entry) = session.manifest.entry(pack) else { return false };
    entry
        .detector
        .networks
        .iter()
        .all(|file| file.is_builtin() || models_fetch::check(&session.models_dir.join(&file.file), file).is_ok())
}

fn open(path: &Path) -> Result<NetworkBytes, CliError> {
    NetworkBytes::open(path).map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))
}

/// A file of the user's as a manifest has it.
fn brought(path: &Path, licence: Option<String>, source: Option<String>, option: &str) -> Result<Brought, CliError> {
    let bytes = NetworkBytes::open(path).map_err(|error| {
        let role = if option.is_empty() { String::new() } else { format!("{option} ") };
        CliError::Usage(format!("{role}{}: {error}; give an ONNX file, or the name of a pack", path.display()))
    })?;
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'));
    let Some(name) = name else {
        return Err(CliError::Usage(format!(
            "{}: rename it so that its name is plain UTF-8 without a dot in front",
            path.display()
        )));
    };
    let source = source.unwrap_or_else(|| {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        format!("file {}", path.display())
    });
    let file = ModelFile {
        file: name.to_owned(),
        sha256: bytes.sha256(),
        bytes: bytes.len() as u64,
        licence: licence.unwrap_or_else(|| UNKNOWN_LICENCE.to_owned()),
        source,
    };
    Ok(Brought { path: path.to_owned(), file })
}

/// Copies a file into the models folder, unless it is there; `copied` tells what was made.
fn bring(brought: &Brought, pack: &str, models_dir: &Path, copied: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let Brought { path, file } = brought;
    if file.is_builtin() {
        return Ok(());
    }
    let target = models_dir.join(&file.file);
    if target.exists() && models_fetch::check(&target, file).is_err() {
        return Err(CliError::Usage(format!(
            "{} is there already and has other content; rename {}",
            target.display(),
            path.display()
        )));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match models_fetch::fetch(file, pack, models_dir, Some(folder)) {
        Ok(Download::Fetched) => copied.push(target),
        Ok(Download::AlreadyThere) => {}
        Err(error) => return Err(CliError::Failed(error.to_string())),
    }
    Ok(())
}

/// Adds the entry to the manifest of the user's, once a recognizer of it has looked at a photo.
fn add(entry: &Entry<'_>, session: &Session) -> Result<(), CliError> {
    if let Some(folder) = session.own_manifest.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| CliError::Failed(format!("{}: {error}", folder.display())))?;
    }
    let own = OwnManifest::open(&session.own_manifest)?;
    let text = entry.text();
    let manifest: Manifest = own.with(&text)?;
    let recognizer = Recognizer::new(manifest.pack(entry.name, Some(&session.models_dir))?, DetectOptions::default())?;
    let photo = Photo::from_rgb(TRIED_SIDE, TRIED_SIDE, vec![128; (TRIED_SIDE * TRIED_SIDE * 3) as usize]);
    recognizer.embed_faces(&photo)?;
    own.add(&text)
}

fn describe(record: &AddRecord, about_threshold: &str) -> String {
    let AddRecord { pack, manifest, input_side, dims, licence, detector, threshold, next, .. } = record;
    let run_by = match (&record.reason, record.difference) {
        (Some(reason), _) => format!("run by tract, since {reason}"),
        (None, Some(difference)) => format!("run by facerecog's kernels, {difference:.0e} from tract"),
        (None, None) => "run by facerecog's kernels; tract cannot run it".to_owned(),
    };
    let unknown = if licence == UNKNOWN_LICENCE { "; say it with --licence" } else { "" };
    format!(
        "{pack}: added to {manifest}\n\
         embedder: {input_side}×{input_side} pixels → {dims} numbers, {run_by}\n\
         licence: {licence}{unknown}\n\
         detector: {detector}\n\
         threshold: {threshold}, {about_threshold}. Its error rates are not known; measure them on photos of your own with:\n    \
             {next}\n\
         use it with: recognizer --pack {pack} identify photo.jpg --known known_people"
    )
}

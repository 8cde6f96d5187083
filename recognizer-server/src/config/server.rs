//! The settings that hold.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use facerecog_engine::detect::DetectOptions;
use facerecog_engine::gallery::{EnrolLimits, Verify};
use facerecog_engine::model::{DecisionRule, Precision};
use facerecog_engine::photo::Limits;
use serde::{Deserialize, Serialize, Serializer};

use super::error::{ConfigError, Origin};
use super::file::ConfigFile;
use super::input::ServeInput;

/// Every address of the host, at the port that the original's callers know.
const DEFAULT_ADDRESS: &str = "[::]:50051";

/// The port that OpenTelemetry registered for Prometheus; this host alone.
const DEFAULT_METRICS_ADDRESS: &str = "127.0.0.1:9464";

/// Photos that may wait for each thread.
const WAITING_PER_THREAD: usize = 4;

/// Half of the file descriptors that most systems give a process.
const DEFAULT_CONNECTIONS: usize = 512;

/// A folder of known photos rarely shows smaller faces, and no embedder is sure of them.
const DEFAULT_ENROL_MIN_FACE: f32 = 80.0;

/// 99 of 100 photos of LFW-dev reach 0.98 with MTCNN and 0.91 with YuNet.
const DEFAULT_ENROL_MIN_SCORE: f32 = 0.85;

/// How much of an index is checked before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verification {
    /// Every byte
    Full,
    /// Header and tables, but not the embeddings
    Header,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Least weight of what is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What failed
    Error,
    /// What deserves a look
    Warn,
    /// What the server does
    Info,
    /// Every call
    Debug,
    /// Everything
    Trace,
}

/// What a server runs with: checked, and complete. Serialized it is a configuration file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ServerConfig {
    /// `host:port` to listen on.
    pub(crate) address: String,
    /// `host:port` of the metrics, or `off`.
    pub(crate) metrics_address: String,
    /// Whether the server is to go on without metrics when their address is taken: it was not asked for.
    #[serde(skip)]
    pub(crate) metrics_are_optional: bool,
    /// Folder of known people.
    pub(crate) known: PathBuf,
    /// Folder of the index.
    pub(crate) index: PathBuf,
    /// Folders that photos may be read from; empty for any.
    pub(crate) image_roots: Vec<PathBuf>,
    /// Pack of models.
    pub(crate) pack: String,
    /// Folder of model files that are not inside the program.
    pub(crate) models: PathBuf,
    /// Manifest that describes the packs; absent for the one inside the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) manifest: Option<PathBuf>,
    /// Numbers that networks calculate with; absent for the pack's own.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "precision_name")]
    pub(crate) precision: Option<Precision>,
    /// Whether mirror images of faces are embedded as well; absent for the pack's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flip: Option<bool>,
    /// Photos that are worked on at once.
    pub(crate) threads: usize,
    /// What is checked of an index before it answers.
    pub(crate) verify: Verification,
    /// Photos that may wait for a thread.
    pub(crate) queue_length: usize,
    /// Longest time a call may take, waiting included.
    pub(crate) request_timeout_seconds: u64,
    /// Largest message of the v1 API.
    pub(crate) max_request_mib: u64,
    /// Connections at once.
    pub(crate) max_connections: usize,
    /// Calls at once on one connection.
    pub(crate) max_streams: u32,
    /// Longest time that calls under way may take to finish when the server stops.
    pub(crate) grace_seconds: u64,
    /// Time from saying that the server stops until it takes no more calls.
    pub(crate) drain_delay_seconds: u64,
    /// Smallest face to look for, in pixels.
    pub(crate) min_face: f32,
    /// Least confidence of a face; absent for the pack's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_score: Option<f32>,
    /// Most faces of one photo.
    pub(crate) max_faces: usize,
    /// Whether photos are looked at on either side and upside down as well.
    pub(crate) try_turned: bool,
    /// Nearest photos of a person whose mean distance a face is compared with.
    pub(crate) photos_per_person: NonZeroUsize,
    /// Whether a face is compared with the mean of all photos of a person.
    pub(crate) templates: bool,
    /// Distance below which two faces are of the same person; absent for the pack's, or what `fmr` takes; of both the stricter holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threshold: Option<f32>,
    /// Most of the searches for somebody unknown that may end with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fmr: Option<f64>,
    /// Largest photo file.
    pub(crate) max_file_mib: u64,
    /// Largest photo, in millions of pixels.
    pub(crate) max_megapixels: u64,
    /// Most memory to decode one photo.
    pub(crate) max_decode_mib: u64,
    /// Smallest face of a photo that `Enroll` takes, in pixels.
    pub(crate) enrol_min_face: f32,
    /// Least confidence of a face that `Enroll` takes.
    pub(crate) enrol_min_score: f32,
    /// Whether known photos that are unlike all others of their person are left out.
    pub(crate) reject_outliers: bool,
    /// Certificate chain of the server, PEM; absent for no encryption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Authorities whose certificates clients must show, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// File with the token that calls which change the gallery must bear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// Whether anybody may change the gallery where there is no token. Without it only a server on a
    /// loopback address allows that.
    pub(crate) allow_unauthenticated_changes: bool,
    /// Form of the log.
    pub(crate) log_format: LogFormat,
    /// Least weight of what is logged.
    pub(crate) log_level: LogLevel,
    /// Whether the names of photos are logged.
    pub(crate) log_paths: bool,
}

impl ServerConfig {
    /// What holds when `given` comes from flags and environment: they override the file that they name,
    /// and the file overrides the defaults.
    pub(crate) fn resolve(given: ServeInput) -> Result<Self, ConfigError> {
        let file = given.config.as_deref().map(ConfigFile::read).transpose()?;
        let mut from_file = Vec::new();
        let (values, file) = match file {
            Some(mut file) => {
                let values = std::mem::take(&mut file.values);
                (given.or(values, |key| from_file.push(key)), Some(file))
            }
            None => (given, None),
        };
        let origin = |key: &'static str| match &file {
            Some(file) if from_file.contains(&key) => file.origin(key),
            _ => Origin::Given { key },
        };
        Self::of(values).map_err(|Refused { key, reason }| ConfigError::Invalid { origin: origin(key), reason })
    }

    fn of(values: ServeInput) -> Result<Self, Refused> {
        let threads = at_least("threads", values.threads.unwrap_or_else(available_threads), 1)?;
        let queue_length = values.queue_length.unwrap_or(threads.saturating_mul(WAITING_PER_THREAD));
        let pack = values.pack.unwrap_or_else(|| "builtin".into());
        let precision = match values.precision.as_deref() {
            None => None,
            Some(name) => match Precision::named(name) {
                Some(precision) => Some(precision),
                None => return Err(refused("precision", "none of f32, bf16 and int8")),
            },
        };
        if values.tls_certificate.is_some() && values.tls_key.is_none() {
            return Err(refused("tls_certificate", "a certificate needs its private key: set tls_key as well"));
        }
        for (key, is_set) in [("tls_key", values.tls_key.is_some()), ("tls_client_ca", values.tls_client_ca.is_some())]
        {
            if is_set && values.tls_certificate.is_none() {
                return Err(refused(key, "of no use without a certificate: set tls_certificate as well"));
            }
        }
        let metrics_are_optional = values.metrics_address.is_none();
        let metrics_address = values.metrics_address.unwrap_or_else(|| DEFAULT_METRICS_ADDRESS.into());
        Ok(Self {
            address: address("address", values.address.unwrap_or_else(|| DEFAULT_ADDRESS.into()))?,
            metrics_address: match metrics_address.as_str() {
                "off" => metrics_address,
                _ => address("metrics_address", metrics_address)?,
            },
            metrics_are_optional,
            known: values.known.unwrap_or_else(|| "known_people".into()),
            index: values.index.unwrap_or_else(|| default_index_dir(&pack, precision, values.flip)),
            image_roots: values.image_roots.unwrap_or_default(),
            pack,
            models: values.models.unwrap_or_else(crate::cli::default_model_folder),
            manifest: values.manifest,
            precision,
            flip: values.flip,
            threads,
            verify: values.verify.unwrap_or(Verification::Full),
            queue_length: at_least("queue_length", queue_length, 1)?,
            request_timeout_seconds: seconds(
                "request_timeout_seconds",
                values.request_timeout_seconds.unwrap_or(30),
                1,
            )?,
            max_request_mib: mebibytes("max_request_mib", values.max_request_mib.unwrap_or(64))?,
            max_connections: at_least("max_connections", values.max_connections.unwrap_or(DEFAULT_CONNECTIONS), 1)?,
            max_streams: at_least("max_streams", values.max_streams.unwrap_or(256), 1)?,
            grace_seconds: seconds("grace_seconds", values.grace_seconds.unwrap_or(10), 0)?,
            drain_delay_seconds: seconds("drain_delay_seconds", values.drain_delay_seconds.unwrap_or(0), 0)?,
            min_face: pixels("min_face", values.min_face.unwrap_or(40.0))?,
            min_score: values.min_score.map(|score| fraction("min_score", score)).transpose()?,
            max_faces: at_least("max_faces", values.max_faces.unwrap_or(512), 1)?,
            try_turned: values.try_turned.unwrap_or(false),
            photos_per_person: values.photos_per_person.unwrap_or(NonZeroUsize::MIN),
            templates: values.templates.unwrap_or(false),
            threshold: values.threshold.map(|distance| positive("threshold", distance)).transpose()?,
            fmr: values.fmr.map(|rate| share("fmr", rate)).transpose()?,
            max_file_mib: mebibytes("max_file_mib", values.max_file_mib.unwrap_or(64))?,
            max_megapixels: at_least("max_megapixels", values.max_megapixels.unwrap_or(100), 1)?,
            max_decode_mib: mebibytes("max_decode_mib", values.max_decode_mib.unwrap_or(1024))?,
            enrol_min_face: pixels("enrol_min_face", values.enrol_min_face.unwrap_or(DEFAULT_ENROL_MIN_FACE))?,
            enrol_min_score: fraction("enrol_min_score", values.enrol_min_score.unwrap_or(DEFAULT_ENROL_MIN_SCORE))?,
            reject_outliers: values.reject_outliers.unwrap_or(false),
            tls_certificate: values.tls_certificate,
            tls_key: values.tls_key,
            tls_client_ca: values.tls_client_ca,
            token_file: values.token_file,
            allow_unauthenticated_changes: values.allow_unauthenticated_changes.unwrap_or(false),
            log_format: values.log_format.unwrap_or(LogFormat::Text),
            log_level: values.log_level.unwrap_or(LogLevel::Info),
            log_paths: values.log_paths.unwrap_or(false),
        })
    }

    /// Which faces to look for.
    pub(crate) fn detect(&self) -> DetectOptions {
        DetectOptions {
            min_face: self.min_face,
            min_score: self.min_score,
            max_faces: self.max_faces,
            try_turned: self.try_turned,
        }
    }

    /// How sure a match has to be. Without a word the pack's own threshold holds, as it always did.
    pub(crate) fn decision_rule(&self) -> DecisionRule {
        match (self.threshold, self.fmr) {
            (Some(threshold), Some(rate)) => DecisionRule::Stricter(threshold, rate),
            (Some(threshold), None) => DecisionRule::Threshold(threshold),
            (None, Some(rate)) => DecisionRule::SearchRate(rate),
            (None, None) => DecisionRule::Pack,
        }
    }

    /// How much a photo may cost.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_file_bytes: self.max_file_mib << 20,
            max_pixels: self.max_megapixels.saturating_mul(1_000_000),
            max_decode_bytes: self.max_decode_mib << 20,
            ..Limits::default()
        }
    }

    /// How much is read of the folder of known people.
    pub(crate) fn enrol_limits(&self) -> EnrolLimits {
        EnrolLimits { photo: self.limits(), ..EnrolLimits::default() }
    }

    /// Longest time a call may take.
    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }

    /// What is checked of a generation when it is opened.
    pub(crate) fn verification(&self) -> Verify {
        match self.verify {
            Verification::Full => Verify::Full,
            Verification::Header => Verify::Header,
        }
    }

    /// Where metrics are answered, unless they are off.
    pub(crate) fn metrics_address(&self) -> Option<&str> {
        Some(self.metrics_address.as_str()).filter(|address| *address != "off")
    }
}

/// The index folder when nobody names one: one a kind of embeddings, since those of different kinds cannot be
/// compared.
pub(crate) fn default_index_dir(pack: &str, precision: Option<Precision>, flip: Option<bool>) -> PathBuf {
    let mut name = pack.to_owned();
    if let Some(precision) = precision.filter(|&precision| precision != Precision::F32) {
        name = format!("{name}-{}", precision.name());
    }
    if flip == Some(true) {
        name.push_str("-flip");
    }
    PathBuf::from("facerecog-index").join(name)
}

fn precision_name<S: Serializer>(precision: &Option<Precision>, serializer: S) -> Result<S::Ok, S::Error> {
    precision.map(Precision::name).serialize(serializer)
}

/// The CPU affinity bounded by the cgroup quota, v1 or v2, of this process and the groups above it.
pub(crate) fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A value that cannot be used, before it is known where it comes from.
#[derive(Debug)]
struct Refused {
    key: &'static str,
    reason: String,
}

fn refused(key: &'static str, reason: impl Into<String>) -> Refused {
    Refused { key, reason: reason.into() }
}

fn at_least<T: PartialOrd + std::fmt::Display>(key: &'static str, value: T, least: T) -> Result<T, Refused> {
    if value < least { Err(refused(key, format!("{value} is too small: at least {least}"))) } else { Ok(value) }
}

fn positive(key: &'static str, distance: f32) -> Result<f32, Refused> {
    if distance > 0.0 && distance.is_finite() {
        Ok(distance)
    } else {
        Err(refused(key, format!("{distance} is no distance above 0")))
    }
}

fn share(key: &'static str, rate: f64) -> Result<f64, Refused> {
    if rate > 0.0 && rate < 1.0 { Ok(rate) } else { Err(refused(key, format!("{rate} is no share between 0 and 1"))) }
}

/// Up to a day: more is a mistake of units.
fn seconds(key: &'static str, value: u64, least: u64) -> Result<u64, Refused> {
    if value > 86_400 {
        return Err(refused(key, format!("{value} seconds are more than a day")));
    }
    at_least(key, value, least)
}

/// At most 1 TiB, so that bytes can be counted.
fn mebibytes(key: &'static str, value: u64) -> Result<u64, Refused> {
    if value > 1 << 20 {
        return Err(refused(key, format!("{value} MiB are more than 1 TiB")));
    }
    at_least(key, value, 1)
}

fn pixels(key: &'static str, value: f32) -> Result<f32, Refused> {
    if value.is_finite() && value >= 1.0 {
        Ok(value)
    } else {
        Err(refused(key, format!("{value} is not a number of pixels, at least 1")))
    }
}

fn fraction(key: &'static str, value: f32) -> Result<f32, Refused> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(refused(key, format!("{value} is not from 0 to 1"))) }
}

/// A host or address, and a port.
fn address(key: &'static str, text: String) -> Result<String, Refused> {
    let host_and_port = || {
        let (host, port) = text.rsplit_once(':')?;
        let plain = !host.is_empty() && !host.contains([':', '[', ']', '/', ' ']);
        Some(plain && port.parse::<u16>().is_ok())
    };
    if text.parse::<SocketAddr>().is_ok() || host_and_port() == Some(true) {
        return Ok(text);
    }
    Err(refused(key, format!("{text:?} is not HOST:PORT, such as 127.0.0.1:50051 or [::]:50051")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, given: ServeInput) -> Result<ServerConfig, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.toml");
        std::fs::write(&path, text).unwrap();
        ServerConfig::resolve(ServeInput { config: Some(path), ..given })
    }

    #[test]
    fn what_is_given_beats_the_file_and_the_file_the_defaults() {
        let given = ServeInput { max_faces: Some(3), ..ServeInput::default() };
        let config = with_file("max_faces = 2\nmin_face = 30\npack = \"fast\"\n", given).unwrap();
        assert_eq!((config.max_faces, config.min_face, config.max_file_mib), (3, 30.0, 64));
        assert_eq!(config.index, PathBuf::from("facerecog-index/fast"));
    }

    #[test]
    fn what_holds_is_a_configuration_file_of_the_same_meaning() {
        let given = ServeInput {
            min_score: Some(0.6),
            image_roots: Some(vec!["/a".into(), "/b".into()]),
            metrics_address: Some("off".into()),
            ..ServeInput::default()
        };
        let config = ServerConfig::resolve(given).unwrap();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(with_file(&text, ServeInput::default()).unwrap(), config, "{text}");
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_where_it_was_set() {
        let error = with_file("pack = \"builtin\"\nmin_score = 1.5\n", ServeInput::default()).unwrap_err().to_string();
        assert!(error.contains("server.toml, line 2, min_score: 1.5"), "{error}");
        let given = ServeInput { min_score: Some(-1.0), ..ServeInput::default() };
        let error = with_file("min_score = 0.5\n", given).unwrap_err().to_string();
        assert!(error.starts_with("--min-score: -1"), "{error}");
        for (key, line) in [
            ("address", "address = \"50051\""),
            ("address", "address = \"localhost\""),
            ("metrics_address", "metrics_address = \"of\""),
            ("threads", "threads = 0"),
            ("grace_seconds", "grace_seconds = 1000000"),
            ("max_request_mib", "max_request_mib = 0"),
            ("min_face", "min_face = nan"),
            ("tls_certificate", "tls_certificate = \"a.pem\""),
            ("tls_client_ca", "tls_client_ca = \"a.pem\""),
        ] {
            let error = with_file(line, ServeInput::default()).unwrap_err().to_string();
            assert!(error.contains(&format!("line 1, {key}: ")), "{line}: {error}");
        }
    }

    #[test]
    fn addresses_are_hosts_and_ports() {
        for text in ["[::]:50051", "127.0.0.1:0", "localhost:80", "faces.example.org:443"] {
            assert!(address("address", text.into()).is_ok(), "{text}");
        }
        for text in ["", ":80", "localhost", "localhost:65536", "http://a:80", "::1:80"] {
            assert!(address("address", text.into()).is_err(), "{text}");
        }
    }
}

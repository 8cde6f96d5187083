//! The settings as they are given: each may be absent.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::server::{LogFormat, LogLevel, Verification};

/// What an operator may set. Every field is a flag, an environment variable, and a key of the
/// configuration file; [`super::ServerConfig`] says what they mean and what holds without them.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServeInput {
    /// File of settings in TOML; flags and environment override it
    #[arg(long, env = "FACERECOG_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen on [default: [::]:50051]
    #[arg(long, env = "FACERECOG_ADDRESS", value_name = "HOST:PORT", visible_alias = "addr")]
    pub(crate) address: Option<String>,
    /// Address of /metrics, /healthz and /readyz, or "off" [default: 127.0.0.1:9464, unless it is taken]
    #[arg(long, env = "FACERECOG_METRICS_ADDRESS", value_name = "HOST:PORT|off")]
    pub(crate) metrics_address: Option<String>,
    /// Folder of known people [default: known_people]
    #[arg(long, env = "KNOWN_PEOPLE", value_name = "DIR")]
    pub(crate) known: Option<PathBuf>,
    /// Folder of the index [default: facerecog-index/<pack>, with --precision or --flip facerecog-index/<pack>-<precision>-flip]
    #[arg(long, env = "FACERECOG_INDEX", value_name = "DIR")]
    pub(crate) index: Option<PathBuf>,
    /// Read photos below this folder alone; may be given several times [default: any photo]
    #[arg(
        long = "image-root",
        alias = "image-roots",
        value_delimiter = ':',
        env = "FACERECOG_IMAGE_ROOTS",
        value_name = "DIR"
    )]
    pub(crate) image_roots: Option<Vec<PathBuf>>,
    /// Pack of models.
    #[arg(skip)]
    pub(crate) pack: Option<String>,
    /// Folder of model files that are not inside the program.
    #[arg(skip)]
    pub(crate) models: Option<PathBuf>,
    /// Manifest that describes the packs.
    #[arg(skip)]
    pub(crate) manifest: Option<PathBuf>,
    /// Numbers that networks calculate with.
    #[arg(skip)]
    pub(crate) precision: Option<String>,
    /// Whether mirror images of faces are embedded as well.
    #[arg(skip)]
    pub(crate) flip: Option<bool>,
    /// Threads that work on photos.
    #[arg(skip)]
    pub(crate) threads: Option<usize>,
    /// What is checked of an index before it answers: every byte, or header and tables [default: full]
    #[arg(long, env = "FACERECOG_VERIFY", value_name = "HOW", value_enum)]
    pub(crate) verify: Option<Verification>,
    /// Photos that may wait for a thread [default: 4 for each thread]
    #[arg(long, env = "FACERECOG_QUEUE_LENGTH", value_name = "N")]
    pub(crate) queue_length: Option<usize>,
    /// Longest time a call may take, waiting included [default: 30]
    #[arg(long, env = "FACERECOG_REQUEST_TIMEOUT_SECONDS", value_name = "SECONDS")]
    pub(crate) request_timeout_seconds: Option<u64>,
    /// Largest message of the v1 API [default: 64]
    #[arg(long, env = "FACERECOG_MAX_REQUEST_MIB", value_name = "MIB")]
    pub(crate) max_request_mib: Option<u64>,
    /// Connections at once [default: 512]
    #[arg(long, env = "FACERECOG_MAX_CONNECTIONS", value_name = "N")]
    pub(crate) max_connections: Option<usize>,
    /// Calls at once on one connection [default: 256]
    #[arg(long, env = "FACERECOG_MAX_STREAMS", value_name = "N")]
    pub(crate) max_streams: Option<u32>,
    /// Longest time that calls under way may take to finish when the server stops [default: 10]
    #[arg(long, env = "FACERECOG_GRACE_SECONDS", value_name = "SECONDS")]
    pub(crate) grace_seconds: Option<u64>,
    /// Time from saying that the server stops until it takes no more calls, for balancers to notice [default: 0]
    #[arg(long, env = "FACERECOG_DRAIN_DELAY_SECONDS", value_name = "SECONDS")]
    pub(crate) drain_delay_seconds: Option<u64>,
    /// Smallest face to look for, in pixels; smaller ones cost more time [default: 40]
    #[arg(long, env = "FACERECOG_MIN_FACE", value_name = "PIXELS", help_heading = "Photo options")]
    pub(crate) min_face: Option<f32>,
    /// Least confidence of a face, 0 to 1 [default: the pack's]
    #[arg(long, env = "FACERECOG_MIN_SCORE", value_name = "SCORE", help_heading = "Photo options")]
    pub(crate) min_score: Option<f32>,
    /// Most faces of one photo, the largest first [default: 512]
    #[arg(long, env = "FACERECOG_MAX_FACES", value_name = "N", help_heading = "Photo options")]
    pub(crate) max_faces: Option<usize>,
    /// Look at photos on either side and upside down as well [default: false]
    #[arg(long, env = "FACERECOG_TRY_TURNED", value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Photo options")]
    pub(crate) try_turned: Option<bool>,
    /// Compare a face with the mean of this many nearest photos of a person, not with the nearest alone [default: 1]
    #[arg(long, env = "FACERECOG_PHOTOS_PER_PERSON", value_name = "N", help_heading = "Photo options")]
    pub(crate) photos_per_person: Option<NonZeroUsize>,
    /// Compare a face with the template of each person, the mean of the embeddings of all their photos [default: false]
    #[arg(long, env = "FACERECOG_TEMPLATES", value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Photo options")]
    pub(crate) templates: Option<bool>,
    /// Distance below which two faces are of the same person; with --fmr the stricter of both [default: the pack's]
    #[arg(long, env = "FACERECOG_THRESHOLD", value_name = "DISTANCE", help_heading = "Decision options")]
    pub(crate) threshold: Option<f32>,
    /// Most of the searches for somebody unknown that may end with a name, as a share of 1 [default: the pack's threshold]
    #[arg(long, env = "FACERECOG_FMR", value_name = "RATE", help_heading = "Decision options")]
    pub(crate) fmr: Option<f64>,
    /// Largest photo file [default: 64]
    #[arg(long, env = "FACERECOG_MAX_FILE_MIB", value_name = "MIB", help_heading = "Photo options")]
    pub(crate) max_file_mib: Option<u64>,
    /// Largest photo, in millions of pixels [default: 100]
    #[arg(long, env = "FACERECOG_MAX_MEGAPIXELS", value_name = "MP", help_heading = "Photo options")]
    pub(crate) max_megapixels: Option<u64>,
    /// Most memory to decode one photo [default: 1024]
    #[arg(long, env = "FACERECOG_MAX_DECODE_MIB", value_name = "MIB", help_heading = "Photo options")]
    pub(crate) max_decode_mib: Option<u64>,
    /// Smallest face of a photo that Enroll takes, in pixels [default: 80]
    #[arg(long, env = "FACERECOG_ENROL_MIN_FACE", value_name = "PIXELS", help_heading = "Enrolment options")]
    pub(crate) enrol_min_face: Option<f32>,
    /// Least confidence of a face that Enroll takes, 0 to 1 [default: 0.85]
    #[arg(long, env = "FACERECOG_ENROL_MIN_SCORE", value_name = "SCORE", help_heading = "Enrolment options")]
    pub(crate) enrol_min_score: Option<f32>,
    /// Leave out known photos that are unlike all others of their person [default: false]
    #[arg(long, env = "FACERECOG_REJECT_OUTLIERS", value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Enrolment options")]
    pub(crate) reject_outliers: Option<bool>,
    /// Certificate chain of the server; turns TLS on
    #[arg(long, env = "FACERECOG_TLS_CERTIFICATE", value_name = "PEM", help_heading = "Security options")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Private key of the certificate
    #[arg(long, env = "FACERECOG_TLS_KEY", value_name = "PEM", help_heading = "Security options")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Authorities whose certificates clients must show (mTLS)
    #[arg(long, env = "FACERECOG_TLS_CLIENT_CA", value_name = "PEM", help_heading = "Security options")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// File with the token that Enroll, Remove and Reindex must bear
    #[arg(long, env = "FACERECOG_TOKEN_FILE", value_name = "FILE", help_heading = "Security options")]
    pub(crate) token_file: Option<PathBuf>,
    /// Let anybody change the gallery where there is no token [default: only on a loopback address]
    #[arg(long, env = "FACERECOG_ALLOW_UNAUTHENTICATED_CHANGES", value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Security options")]
    pub(crate) allow_unauthenticated_changes: Option<bool>,
    /// Form of the log on standard error [default: text]
    #[arg(long, env = "FACERECOG_LOG_FORMAT", value_name = "FORMAT", value_enum, help_heading = "Log options")]
    pub(crate) log_format: Option<LogFormat>,
    /// Least weight of what is logged; RUST_LOG overrides [default: info]
    #[arg(long, env = "FACERECOG_LOG_LEVEL", value_name = "LEVEL", value_enum, help_heading = "Log options")]
    pub(crate) log_level: Option<LogLevel>,
    /// Log the names of photos as well [default: false]
    #[arg(long, env = "FACERECOG_LOG_PATHS", value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Log options")]
    pub(crate) log_paths: Option<bool>,
}

impl ServeInput {
    /// These settings, and where one is absent that of `other`; the keys taken from there are told to
    /// `taken`.
    pub(super) fn or(self, other: Self, mut taken: impl FnMut(&'static str)) -> Self {
        macro_rules! either {
            ($($key:ident),* $(,)?) => {
                Self {
                    config: self.config,
                    $($key: self.$key.or_else(|| other.$key.inspect(|_| taken(stringify!($key)))),)*
                }
            };
        }
        either!(
            address,
            metrics_address,
            known,
            index,
            image_roots,
            pack,
            models,
            manifest,
            precision,
            flip,
            threads,
            verify,
            queue_length,
            request_timeout_seconds,
            max_request_mib,
            max_connections,
            max_streams,
            grace_seconds,
            drain_delay_seconds,
            min_face,
            min_score,
            max_faces,
            try_turned,
            photos_per_person,
            templates,
            threshold,
            fmr,
            max_file_mib,
            max_megapixels,
            max_decode_mib,
            enrol_min_face,
            enrol_min_score,
            reject_outliers,
            tls_certificate,
            tls_key,
            tls_client_ca,
            token_file,
            allow_unauthenticated_changes,
            log_format,
            log_level,
            log_paths,
        )
    }
}

//! The log on standard error.

use std::io::IsTerminal;

use recognizer_server::PHOTO_NAMES;
use tracing_subscriber::filter::EnvFilter;

use crate::config::{LogFormat, LogLevel, LogSettings};

/// Logs from now on as `settings` say; `RUST_LOG`, where it is set, says which events instead.
///
/// A log that the process has already stays as it is.
pub fn start_log(settings: &LogSettings) {
    let default = || EnvFilter::new(format!("{},{PHOTO_NAMES}=off", events(settings.log_level)));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| default());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match settings.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
}

fn events(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,facerecog_pipeline=info,recognizer_server=info",
        LogLevel::Debug => "info,facerecog_pipeline=debug,recognizer_server=debug",
        LogLevel::Trace => "trace",
    }
}

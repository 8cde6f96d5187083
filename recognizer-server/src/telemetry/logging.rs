//! The log on standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{LogFormat, LogLevel, ServerConfig};

/// Target of every event that names a photo, a person or a path that a caller sent. A server lets them
/// through with `log_paths` alone, whatever the level.
pub const PHOTO_NAMES: &str = "recognizer::photo_names";

/// Changes what a running server logs. Dropped, it sends the traces that are not sent yet.
#[derive(Debug)]
pub(crate) struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    #[cfg(feature = "otel")]
    _traces: Option<super::otel::Traces>,
}

impl LogHandle {
    /// Logs from now on as `config` says. The form stays that of the start.
    pub(crate) fn follow(&self, config: &ServerConfig) {
        // Fails only when the subscriber is gone, and then nobody listens.
        let _ = self.filter.reload(server_filter(config.log_level, config.log_paths));
    }
}

/// The log of a command: warnings, more with `-v` and `-vv`.
pub(crate) fn command_line_log(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "warn,recognizer=info,facerecog_engine=info",
        _ => "info,recognizer=debug,facerecog_engine=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// The log of a server, and its traces where the program was built with them.
pub(crate) fn server_log(config: &ServerConfig) -> LogHandle {
    let (lines_filter, filter) = reload::Layer::new(server_filter(config.log_level, config.log_paths));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(lines_filter));
    #[cfg(feature = "otel")]
    let traces = super::otel::Traces::from_environment();
    #[cfg(feature = "otel")]
    let subscriber = subscriber.with(traces.as_ref().map(super::otel::Traces::layer));
    subscriber.init();
    LogHandle {
        filter,
        #[cfg(feature = "otel")]
        _traces: traces,
    }
}

fn server_filter(level: LogLevel, paths: bool) -> EnvFilter {
    let default = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,recognizer=info,facerecog_engine=info",
        LogLevel::Debug => "info,recognizer=debug,facerecog_engine=debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let names = if paths { "trace" } else { "off" };
    match format!("{PHOTO_NAMES}={names}").parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_photos_are_let_through_on_request_alone() {
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            let filter = server_filter(level, false).to_string();
            assert!(filter.contains("recognizer::photo_names=off"), "{filter}");
            let filter = server_filter(level, true).to_string();
            assert!(filter.contains("recognizer::photo_names=trace"), "{filter}");
        }
    }
}

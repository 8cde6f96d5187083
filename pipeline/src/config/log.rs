//! Settings of the log.

/// What is logged, and how.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// Least weight of what is logged; RUST_LOG goes into detail
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL", value_enum, default_value_t)]
    pub log_level: LogLevel,
    /// Form of the log's lines
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Weight of what is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// What is lost.
    Error,
    /// What is tried again.
    Warn,
    /// What a service begins and ends.
    #[default]
    Info,
    /// What happens to a photo.
    Debug,
    /// Everything, of libraries too.
    Trace,
}

/// Form of the log's lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

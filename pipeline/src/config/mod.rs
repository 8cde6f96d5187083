//! Settings: flags and environment variables, with the original system's names.

mod database;
mod frontend;
mod log;
mod processor;
mod queue;
mod receiver;
mod recognizer;
mod redeemer;
mod telemetry;

pub use database::{DatabaseSettings, DatabaseSettingsError, SslMode};
pub use frontend::FrontendSettings;
pub use log::{LogFormat, LogLevel, LogSettings};
pub use processor::ProcessorSettings;
pub use queue::{ConsumerSettings, ProducerSettings};
pub use receiver::ReceiverSettings;
pub use recognizer::RecognizerSettings;
pub use redeemer::RedeemerSettings;
pub use telemetry::TelemetrySettings;

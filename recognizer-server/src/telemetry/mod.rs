//! What operators see of a running server: the log, metrics, and on request traces.

mod endpoint;
mod logging;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod process;

pub(crate) use endpoint::{Probes, serve};
pub use logging::PHOTO_NAMES;
pub(crate) use logging::{LogHandle, command_line_log, server_log};
pub(crate) use metrics::{CallOutcome, GalleryNumbers, Metrics, QueueNumbers, ReindexOutcome, Stage};
#[cfg(feature = "otel")]
pub(crate) use otel::set_parent;

//! What operators see of a running service: the log, metrics, and whether it is well.

mod endpoint;
mod health;
mod logging;
mod readiness;
mod requests;
mod results;
mod stop;

pub use endpoint::Telemetry;
pub use health::{HealthError, health};
pub use logging::start_log;
pub use readiness::Readiness;
pub(crate) use requests::{Requests, count_request};
pub(crate) use results::Results;
pub use stop::Stop;

//! `pipeline frontend`.

use prometheus_client::registry::Registry;

use super::start::{StartError, listen, readiness};
use crate::config::{DatabaseSettings, FrontendSettings, LogSettings};
use crate::frontend::{self, Metrics};
use crate::queue;
use crate::telemetry::{Stop, Telemetry, start_log};

/// Show photos and people
///
/// /metrics, /healthz and /readyz are on the same port as the pages.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  MYSQL_USERPASSWORD=root:secret pipeline frontend --db-host mysql --photo-root /unknown_people")]
pub(super) struct Frontend {
    #[command(flatten)]
    frontend: FrontendSettings,
    /// nsqd, over TCP, that photos sent or retried are queued with at once; without it, the receiver queues them
    /// within seconds
    #[arg(long, env = "NSQ_PRODUCER_ADDRESS", value_name = "HOST:PORT")]
    producer_address: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Frontend {
    pub(super) async fn run(self) -> Result<(), StartError> {
        start_log(&self.log);
        let stop = Stop::by_signal()?;
        let store = self.database.connect(None).await?;
        let publisher = self.producer_address.as_deref().map(queue::nsq_publisher);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let frontend = frontend::Frontend::new(store.clone(), publisher, &self.frontend, metrics)?;
        let telemetry = Telemetry::new(registry, readiness(&store, &stop));
        let listener = listen((self.frontend.frontend_host, self.frontend.frontend_port).into()).await?;
        Ok(frontend::serve(listener, frontend, &telemetry, stop).await?)
    }
}

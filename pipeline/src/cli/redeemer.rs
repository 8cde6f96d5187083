//! `pipeline redeemer`.

use std::time::Duration;

use prometheus_client::registry::Registry;

use super::start::{StartError, listen, readiness};
use crate::config::{DatabaseSettings, LogSettings, ProducerSettings, RedeemerSettings, TelemetrySettings};
use crate::queue;
use crate::redeemer::{self, Metrics};
use crate::telemetry::{Stop, Telemetry, start_log};

/// Give photos that failed another try
///
/// Photos that FAILED are PENDING again after a delay that grows with each try; photos whose processor vanished, and
/// photos whose message was lost, are queued again. With --once there is no port for metrics.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example, for a CronJob:
  MYSQL_USERPASSWORD=root:secret pipeline redeemer --once --db-host mysql --producer-address nsqd:4150")]
pub(super) struct Redeemer {
    /// Look once and end, instead of for ever
    #[arg(long, env = "REDEEMER_ONCE")]
    once: bool,
    /// Pause between two looks
    #[arg(long, env = "REDEEMER_PAUSE_SECONDS", value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..))]
    pause_seconds: u32,
    #[command(flatten)]
    redeemer: RedeemerSettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    producer: ProducerSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Redeemer {
    pub(super) async fn run(self) -> Result<(), StartError> {
        start_log(&self.log);
        let stop = Stop::by_signal()?;
        let store = self.database.connect(None).await?;
        let publisher = queue::nsq_publisher(&self.producer.producer_address);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let redeemer = redeemer::Redeemer::new(store.clone(), publisher, self.redeemer.policy(), metrics);
        if self.once {
            let photos = redeemer.redeem().await?;
            tracing::info!(photos, "given another try");
            return Ok(());
        }
        let listener = listen(self.telemetry.metrics_address).await?;
        let operators = Telemetry::new(registry, readiness(&store, &stop)).serve(listener, stop.clone());
        let pause = Duration::from_secs(self.pause_seconds.into());
        let (served, ()) = tokio::join!(operators, redeemer.run(pause, stop.wait()));
        Ok(served?)
    }
}

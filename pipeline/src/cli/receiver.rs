//! `pipeline receiver`.

use prometheus_client::registry::Registry;

use super::start::{StartError, listen, readiness};
use crate::config::{DatabaseSettings, LogSettings, ProducerSettings, ReceiverSettings};
use crate::queue;
use crate::receiver::{self, Metrics, Outbox};
use crate::telemetry::{Stop, Telemetry, start_log};

/// Take paths of photos over HTTP, store and queue them
///
/// POST /image/post takes {"path": "…"}, POST /images/post {"paths": [{"path": "…"}, …]}; whoever accepts
/// application/json is answered in JSON. /metrics, /healthz and /readyz are on the same port.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  MYSQL_USERPASSWORD=root:secret pipeline receiver --db-host mysql --producer-address nsqd:4150
  curl -d '{\"path\": \"/unknown_people/unknown0001.jpg\"}' localhost:8000/image/post")]
pub(super) struct Receiver {
    #[command(flatten)]
    receiver: ReceiverSettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    producer: ProducerSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Receiver {
    pub(super) async fn run(self) -> Result<(), StartError> {
        start_log(&self.log);
        let stop = Stop::by_signal()?;
        let store = self.database.connect(None).await?;
        let publisher = queue::nsq_publisher(&self.producer.producer_address);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let receiver = receiver::Receiver::new(store.clone(), publisher.clone(), &self.receiver, metrics.clone())?;
        let telemetry = Telemetry::new(registry, readiness(&store, &stop));
        let listener = listen((self.receiver.receiver_host, self.receiver.receiver_port).into()).await?;
        let outbox = Outbox::new(store, publisher, metrics).run(stop.clone());
        let (served, ()) = tokio::join!(receiver::serve(listener, receiver, &telemetry, stop), outbox);
        Ok(served?)
    }
}

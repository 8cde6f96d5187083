//! `pipeline processor`.

use prometheus_client::registry::Registry;

use super::start::{StartError, listen, readiness};
use crate::config::{
    ConsumerSettings, DatabaseSettings, LogSettings, ProcessorSettings, RecognizerSettings, TelemetrySettings,
};
use crate::processor::{self, Metrics};
use crate::queue;
use crate::telemetry::{Stop, Telemetry, start_log};

/// Ask the recognizer who is on queued photos
///
/// Any number of processors share the work, the original's beside them. A recognizer that speaks facerecog.v1 is asked
/// over one stream, any other by facerecog.Identify. While it fails, photos wait in the queue.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  MYSQL_USERPASSWORD=root:secret pipeline processor --db-host mysql --nsq-lookup-address nsqlookup:4161 \\
      --grpc-address face-recog:50051")]
pub(super) struct Processor {
    #[command(flatten)]
    recognizer: RecognizerSettings,
    #[command(flatten)]
    processor: ProcessorSettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    consumer: ConsumerSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Processor {
    pub(super) async fn run(self) -> Result<(), StartError> {
        start_log(&self.log);
        let stop = Stop::by_signal()?;
        let recognizer = self.recognizer.recognizer(self.processor.photo_timeout())?;
        let store = self.database.connect(None).await?;
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let processor = processor::Processor::new(store.clone(), recognizer, self.processor.policy(), metrics);
        let listener = listen(self.telemetry.metrics_address).await?;
        let operators = Telemetry::new(registry, readiness(&store, &stop)).serve(listener, stop.clone());
        let consumer = queue::nsq_consumer(&self.consumer.nsq_lookup_address, self.processor.concurrency);
        let (served, ()) = tokio::join!(operators, processor.run(consumer, stop.wait()));
        Ok(served?)
    }
}

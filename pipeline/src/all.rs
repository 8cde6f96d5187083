//! Every service in one process, on SQLite and a queue inside it.

use std::path::PathBuf;
use std::time::Duration;

use prometheus_client::registry::Registry;

use crate::cli::{StartError, listen, readiness};
use crate::config::{
    DatabaseSettings, FrontendSettings, LogSettings, ProcessorSettings, ReceiverSettings, RecognizerSettings,
    RedeemerSettings,
};
use crate::frontend::{self, Frontend};
use crate::processor::{self, Processor};
use crate::queue;
use crate::receiver::{self, Outbox, Receiver};
use crate::redeemer::Redeemer;
use crate::store::{RedeemPolicy, Store};
use crate::telemetry::{Stop, Telemetry, start_log};

/// Database when none is set, in the working directory.
const DATABASE: &str = "sqlite:facerecog.db";

/// Folder for photos when none is set.
const UPLOADS: &str = "uploads";

/// How often photos that failed, or hang, are looked for.
const REDEEM_PAUSE: Duration = Duration::from_secs(10);

/// Run every service in one process
///
/// The receiver on port 8000, the page on port 8081, and a processor, with a database in facerecog.db, photos that are
/// sent in uploads, and a queue inside the process. Photos that were not done when it ended are done when it starts
/// again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  recognizer serve --known known_people &
  pipeline all --grpc-address localhost:50051
  curl -F photo=@examples/obama2.jpg localhost:8000/images
  xdg-open http://localhost:8081")]
pub(crate) struct All {
    #[command(flatten)]
    recognizer: RecognizerSettings,
    #[command(flatten)]
    receiver: ReceiverSettings,
    #[command(flatten)]
    processor: ProcessorSettings,
    #[command(flatten)]
    redeemer: RedeemerSettings,
    #[command(flatten)]
    frontend: FrontendSettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl All {
    pub(crate) async fn run(mut self) -> Result<(), StartError> {
        start_log(&self.log);
        let stop = Stop::by_signal()?;
        let uploads = || PathBuf::from(UPLOADS);
        self.receiver.receiver_upload_folder.get_or_insert_with(uploads);
        self.frontend.upload_folder.get_or_insert_with(uploads);
        let store = self.database.connect(Some(DATABASE)).await?;
        let recognizer = self.recognizer.recognizer(self.processor.photo_timeout())?;
        let (publisher, consumer) = queue::in_process();

        let mut registry = Registry::default();
        let metrics = receiver::Metrics::register(&mut registry);
        let receiver = Receiver::new(store.clone(), publisher.clone(), &self.receiver, metrics.clone())?;
        let outbox = Outbox::new(store.clone(), publisher.clone(), metrics);
        let metrics = processor::Metrics::register(&mut registry);
        let processor = Processor::new(store.clone(), recognizer, self.processor.policy(), metrics);
        let metrics = frontend::Metrics::register(&mut registry);
        let frontend = Frontend::new(store.clone(), Some(publisher.clone()), &self.frontend, metrics)?;
        let redeemer = Redeemer::new(store.clone(), publisher, self.redeemer.policy());
        let telemetry = Telemetry::new(registry, readiness(&store, &stop));

        let posts = listen((self.receiver.receiver_host, self.receiver.receiver_port).into()).await?;
        let pages = listen((self.frontend.frontend_host, self.frontend.frontend_port).into()).await?;
        queue_left(&store, self.redeemer.policy()).await?;
        println!("photos and people: http://localhost:{}", pages.local_addr()?.port());
        let (posted, shown, (), (), ()) = tokio::join!(
            receiver::serve(posts, receiver, &telemetry, stop.clone()),
            frontend::serve(pages, frontend, &telemetry, stop.clone()),
            outbox.run(stop.clone()),
            processor.run(consumer, stop.clone().wait()),
            redeemer.run(REDEEM_PAUSE, stop.wait()),
        );
        posted.and(shown).map_err(Into::into)
    }
}

/// Puts every PENDING photo into the outbox: the queue of the process before has ended with it.
async fn queue_left(store: &Store, policy: RedeemPolicy) -> Result<(), StartError> {
    let left = store.redeem(&RedeemPolicy { stuck_after: Duration::ZERO, ..policy }, u32::MAX).await?;
    if !left.is_empty() {
        tracing::info!(photos = left.len(), "queued again");
    }
    Ok(())
}

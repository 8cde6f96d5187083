//! Every service and the recognizer in one process, on SQLite and a queue inside it.

mod data_folder;
mod recognizer;

use std::path::PathBuf;
use std::time::Duration;

use prometheus_client::registry::Registry;

use crate::cli::{StartError, listen, readiness};
use crate::config::{
    DatabaseSettings, FrontendSettings, LogSettings, ProcessorSettings, ReceiverSettings, RedeemerSettings,
};
use crate::frontend::{self, Frontend};
use crate::processor::{self, Processor};
use crate::queue;
use crate::receiver::{self, Outbox, Receiver};
use crate::redeemer::{self, Redeemer};
use crate::store::{RedeemPolicy, Store};
use crate::telemetry::{Stop, Telemetry, start_log};
use data_folder::DataFolder;
use recognizer::RecognizerSettings;

/// How often photos that failed, or hang, are looked for.
const REDEEM_PAUSE: Duration = Duration::from_secs(10);

/// Run every service in one process
///
/// The receiver on port 8000, the page on port 8081, a processor, a redeemer, and the recognizer, which learns the
/// folder of known people and watches it: a photo that is put there counts within seconds. Database, index and the
/// photos that are sent are in the data folder, the queue is inside the process. Photos are read from the folder of
/// those that were sent, and from each --photo-root. Those that were not done when it ended are done when it starts
/// again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  Send a photo, and see who is on it, with the people of known_people:
      pipeline all
      curl -F photo=@examples/obama2.jpg localhost:8000/images
      xdg-open http://localhost:8081

  Tell where photos are, instead of sending them:
      pipeline all --known ~/people --photo-root ~/photos
      curl -d \"{\\\"path\\\": \\\"$HOME/photos/a.jpg\\\"}\" localhost:8000/image/post

  Ask a recognizer that runs somewhere else, which sees photos by the same paths:
      recognizer serve --known known_people &
      pipeline all --grpc-address localhost:50051")]
pub(crate) struct All {
    /// Folder of database, index and photos that were sent; made when it is not there
    #[arg(long, env = "FACERECOG_DATA", value_name = "FOLDER", default_value = "facerecog-data")]
    data: PathBuf,
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
        let data = DataFolder::make(self.data)?;
        let sent = self.receiver.receiver_upload_folder.get_or_insert_with(|| data.uploads()).clone();
        let added = self.frontend.upload_folder.get_or_insert_with(|| data.uploads()).clone();
        // What was sent to the one is shown by the other.
        self.frontend.photo_roots.push(sent);
        let store = self.database.connect(Some(&data.database())).await?;
        let (publisher, consumer) = queue::in_process();

        let mut registry = Registry::default();
        let metrics = receiver::Metrics::register(&mut registry);
        let receiver = Receiver::new(store.clone(), publisher.clone(), &self.receiver, metrics.clone())?;
        let outbox = Outbox::new(store.clone(), publisher.clone(), metrics);
        let metrics = frontend::Metrics::register(&mut registry);
        let frontend = Frontend::new(store.clone(), Some(publisher.clone()), &self.frontend, metrics)?;
        let metrics = redeemer::Metrics::register(&mut registry);
        let redeemer = Redeemer::new(store.clone(), publisher, self.redeemer.policy(), metrics);
        let metrics = processor::Metrics::register(&mut registry);
        let telemetry = Telemetry::new(registry, readiness(&store, &stop));

        let posts = listen((self.receiver.receiver_host, self.receiver.receiver_port).into()).await?;
        let pages = listen((self.frontend.frontend_host, self.frontend.frontend_port).into()).await?;
        println!("send photos to http://localhost:{}/images", posts.local_addr()?.port());
        println!("photos and people: http://localhost:{}", pages.local_addr()?.port());
        queue_left(&store, self.redeemer.policy()).await?;

        let roots = [self.frontend.photo_roots, vec![added]].concat();
        let recognize = async {
            // Photos that come while it learns wait in the queue.
            let starting = self.recognizer.start(data.index(), roots, self.processor.photo_timeout());
            let recognizer = tokio::select! {
                started = starting => started?,
                () = stop.clone().wait() => return Ok(()),
            };
            let processor = Processor::new(store, recognizer.client(), self.processor.policy(), metrics);
            processor.run(consumer, stop.clone().wait()).await;
            // Now that nobody asks it any more.
            recognizer.stop().await
        };
        let receive = async { Ok(receiver::serve(posts, receiver, &telemetry, stop.clone()).await?) };
        let show = async { Ok(frontend::serve(pages, frontend, &telemetry, stop.clone()).await?) };
        let tend = async {
            tokio::join!(outbox.run(stop.clone()), redeemer.run(REDEEM_PAUSE, stop.clone().wait()));
            Ok(())
        };
        tokio::try_join!(receive, show, tend, recognize)?;
        Ok(())
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

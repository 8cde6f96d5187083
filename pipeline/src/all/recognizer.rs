//! The recognizer: one inside the process, or the one at an address.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use recognizer_server::{Embedded, EmbeddedOptions};
use tokio::task::spawn_blocking;

use crate::cli::StartError;
use crate::recognizer::Recognizer;

/// Folder of known people when none is given, in the working directory.
const KNOWN: &str = "known_people";

/// Which recognizer is asked, and what one inside knows.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Recognizer")]
pub(super) struct RecognizerSettings {
    /// Folder of known people that the recognizer inside learns and watches [default: known_people, made when it is
    /// not there]
    #[arg(long, env = "KNOWN_PEOPLE", value_name = "FOLDER")]
    known: Option<PathBuf>,
    /// Folder of what it has learned [default: index in the data folder]
    #[arg(long, env = "FACERECOG_INDEX", value_name = "FOLDER")]
    index: Option<PathBuf>,
    /// A recognizer to ask over gRPC, in place of the one inside; it must see photos by the same paths. The two
    /// options above are not heeded then
    #[arg(long, env = "GRPC_ADDRESS", value_name = "HOST:PORT")]
    grpc_address: Option<String>,
}

/// A recognizer that can be asked.
#[derive(Debug)]
pub(super) struct Running {
    client: Recognizer,
    inside: Option<Embedded>,
}

impl RecognizerSettings {
    /// Returns once it knows the known people. One inside keeps what it learns in `index`, reads photos below `roots`
    /// alone, and may take `timeout` for one.
    ///
    /// # Errors
    /// When there is no folder of known people where one was named, or the recognizer does not start.
    pub(super) async fn start(
        self,
        index: PathBuf,
        roots: Vec<PathBuf>,
        timeout: Duration,
    ) -> Result<Running, StartError> {
        if let Some(address) = &self.grpc_address {
            return Ok(Running { client: Recognizer::new(address, timeout)?, inside: None });
        }
        let options = EmbeddedOptions { known: self.known()?, index: self.index.unwrap_or(index), image_roots: roots };
        tracing::info!(known = %options.known.display(), index = %options.index.display(), "learning the known people");
        let inside = blocking(move || Embedded::start(options).map_err(StartError::from)).await?;
        let client = Recognizer::new(&inside.address().to_string(), timeout)?;
        Ok(Running { client, inside: Some(inside) })
    }

    /// The folder of known people: the one that was named, or the default, made when it is not there.
    fn known(&self) -> Result<PathBuf, StartError> {
        let (folder, there) = match &self.known {
            Some(folder) => (folder.clone(), fs::read_dir(folder).map(drop)),
            None => (PathBuf::from(KNOWN), fs::create_dir_all(KNOWN)),
        };
        match there {
            Ok(()) => Ok(folder),
            Err(reason) => Err(StartError::KnownPeople { folder, reason }),
        }
    }
}

impl Running {
    /// Asks it.
    pub(super) fn client(&self) -> Recognizer {
        self.client.clone()
    }

    /// Ends the one inside, after the calls under way.
    ///
    /// # Errors
    /// When calls were cut off, or it had ended by itself.
    pub(super) async fn stop(self) -> Result<(), StartError> {
        // Its connections first: it waits for them.
        drop(self.client);
        match self.inside {
            Some(inside) => blocking(move || inside.stop().map_err(StartError::from)).await,
            None => Ok(()),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    spawn_blocking(work).await.map_err(io::Error::from)?
}

//! `recognizer call`: a client of a running server.

mod client;
mod enroll;
mod health;
mod identify;
mod info;
mod people;
mod photo;
mod recognize;
mod reindex;
mod remove;
mod verify;

use clap::{Args, Subcommand};

use super::error::CliError;
use super::output::Output;
use super::{Outcome, table};
use client::{Client, ClientOptions};

/// Ask a running server
///
/// Paths of photos are those that the server sees; with --bytes the photos themselves are sent. `call
/// health` is a container's health command: status 0 while the server is ready, else 1.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  recognizer call health
  recognizer call identify /unknown_people/photo.jpg
  recognizer call recognize --bytes --top-k 3 photo.jpg --json
  recognizer call --address faces.example.org:443 --ca ca.pem --token-file token enroll ada --bytes ada.jpg")]
pub(crate) struct Call {
    #[command(flatten)]
    client: ClientOptions,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Health(health::Health),
    Identify(identify::Identify),
    Recognize(recognize::Recognize),
    Verify(verify::Verify),
    Enroll(enroll::Enroll),
    Remove(remove::Remove),
    People(people::People),
    Reindex(reindex::Reindex),
    Info(info::Info),
}

impl Call {
    pub(crate) fn run(self, output: Output) -> Result<Outcome, CliError> {
        // Nothing is done at once but to wait.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::Failed(format!("could not start: {error}")))?;
        runtime.block_on(async {
            let client = Client::connect(&self.client).await?;
            match self.what {
                What::Health(call) => call.run(&client, output).await,
                What::Identify(call) => call.run(&client, output).await,
                What::Recognize(call) => call.run(&client, output).await,
                What::Verify(call) => call.run(&client, output).await,
                What::Enroll(call) => call.run(&client, output).await,
                What::Remove(call) => call.run(&client, output).await,
                What::People(call) => call.run(&client, output).await,
                What::Reindex(call) => call.run(&client, output).await,
                What::Info(call) => call.run(&client, output).await,
            }
        })
    }
}

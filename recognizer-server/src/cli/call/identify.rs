//! `recognizer call identify`.

use clap::Args;
use serde::Serialize;

use super::{CliError, Client, Outcome, Output};
use crate::grpc::contract::IdentifyRequest;

/// Name the person on a photo, as the original contract does
#[derive(Debug, Args)]
pub(super) struct Identify {
    /// Path of the photo, as the server sees it
    path: String,
}

#[derive(Serialize)]
struct IdentifyRecord {
    photo: String,
    image_name: String,
}

impl Identify {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<Outcome, CliError> {
        let request = IdentifyRequest { image_path: self.path.clone() };
        let image_name = client.identify().identify(request).await?.into_inner().image_name;
        let record = IdentifyRecord { photo: self.path, image_name };
        output.answer(&record, || format!("{}: {}", record.photo, record.image_name))?;
        Ok(Outcome::Complete)
    }
}

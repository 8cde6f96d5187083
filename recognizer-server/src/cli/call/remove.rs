//! `recognizer call remove`.

use clap::Args;
use serde::Serialize;

use super::{CliError, Client, Outcome, Output};
use crate::grpc::proto;
use crate::grpc::proto::remove_request::Target;

/// Remove a photo, or a person with all photos, from the known people
#[derive(Debug, Args)]
pub(super) struct Remove {
    #[command(flatten)]
    target: RemoveTarget,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RemoveTarget {
    /// Name of a known photo's file
    #[arg(long, value_name = "NAME")]
    image_name: Option<String>,
    /// A person, with all photos
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
}

#[derive(Serialize)]
struct RemoveRecord {
    image_names: Vec<String>,
    generation: u64,
}

impl Remove {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<Outcome, CliError> {
        let target = self.target.image_name.map(Target::ImageName).or(self.target.person.map(Target::Person));
        let answer = client.patient_recognizer().remove(proto::RemoveRequest { target }).await?.into_inner();
        let record = RemoveRecord { image_names: answer.image_names, generation: answer.generation };
        output.answer(&record, || {
            format!("removed {}, generation {}", record.image_names.join(", "), record.generation)
        })?;
        Ok(Outcome::Complete)
    }
}

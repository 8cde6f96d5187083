//! `recognizer call enroll`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::photo::Sending;
use super::recognize::FaceRecord;
use super::{CliError, Client, Outcome, Output};
use crate::cli::ErrorRecord;
use crate::grpc::proto;

/// Add a photo of a person to the known people
#[derive(Debug, Args)]
pub(super) struct Enroll {
    /// Who it is
    person: String,
    /// The photo
    photo: PathBuf,
    /// Name of the photo's file among the known ones [default: made from person and content]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    image_name: String,
    /// Take the photo although it is unlike the person's others
    #[arg(long)]
    allow_unlike: bool,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Serialize)]
struct EnrollRecord {
    enrolled: bool,
    person: String,
    image_name: Option<String>,
    generation: Option<u64>,
    face: Option<FaceRecord>,
    rejections: Vec<ErrorRecord>,
}

impl Enroll {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<Outcome, CliError> {
        let request = proto::EnrollRequest {
            person: self.person.clone(),
            image_name: self.image_name,
            photo: Some(self.sending.photo(&self.photo)?),
            allow_unlike: self.allow_unlike,
        };
        let answer = client.patient_recognizer().enroll(request).await?.into_inner();
        let rejections = answer.rejections.iter().map(|rejection| {
            // "no_face" for REJECT_CODE_NO_FACE: the name that the other commands give it.
            let name = rejection.code().as_str_name();
            let code = name.strip_prefix("REJECT_CODE_").unwrap_or(name).to_ascii_lowercase();
            ErrorRecord { code, message: rejection.message.clone() }
        });
        let record = EnrollRecord {
            enrolled: answer.enrolled,
            person: self.person,
            image_name: Some(answer.image_name).filter(|name| !name.is_empty()),
            generation: Some(answer.generation).filter(|_| answer.enrolled),
            rejections: rejections.collect(),
            face: answer.face.map(FaceRecord::new),
        };
        output.answer(&record, || describe(&record))?;
        Ok(Outcome::of(!record.enrolled))
    }
}

fn describe(record: &EnrollRecord) -> String {
    if record.enrolled {
        let name = record.image_name.as_deref().unwrap_or_default();
        return format!("{} is known by {name}, generation {}", record.person, record.generation.unwrap_or_default());
    }
    let reasons: Vec<String> =
        record.rejections.iter().map(|rejection| format!("{}: {}", rejection.code, rejection.message)).collect();
    format!("not enrolled: {}", reasons.join("; "))
}

//! `recognizer call verify`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::photo::Sending;
use super::recognize::FaceRecord;
use super::{CliError, Client, Outcome, Output};
use crate::grpc::proto;

/// Tell whether the largest faces of two photos are the same person
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// One photo
    a: PathBuf,
    /// The other
    b: PathBuf,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Serialize)]
struct VerifyRecord {
    same: bool,
    similarity: f32,
    distance: f32,
    probability: f32,
    threshold: f32,
    first: Option<FaceRecord>,
    second: Option<FaceRecord>,
}

impl Verify {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<Outcome, CliError> {
        let (first, second) = (self.sending.photo(&self.a)?, self.sending.photo(&self.b)?);
        let request = proto::VerifyRequest { first: Some(first), second: Some(second) };
        let answer = client.recognizer().verify(request).await?.into_inner();
        let record = VerifyRecord {
            same: answer.same,
            similarity: answer.similarity,
            distance: answer.distance,
            probability: answer.probability,
            threshold: answer.threshold,
            first: answer.first.map(FaceRecord::new),
            second: answer.second.map(FaceRecord::new),
        };
        output.answer(&record, || match (&record.first, &record.second) {
            (Some(_), Some(_)) => format!(
                "{}: distance {:.3} (threshold {:.3}), similarity {:.3}, probability {:.1} %",
                if record.same { "same person" } else { "different people" },
                record.distance,
                record.threshold,
                record.similarity,
                record.probability * 100.0
            ),
            (None, _) => format!("{}: no face found", self.a.display()),
            (_, None) => format!("{}: no face found", self.b.display()),
        })?;
        Ok(Outcome::of(record.first.is_none() || record.second.is_none()))
    }
}

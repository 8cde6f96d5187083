//! `recognizer eval`.

mod calibrate;
mod detection;
mod embedding;
mod identification;
mod pair_lists;
mod quality;
mod report;
mod verification;

use clap::{Args, Subcommand};

use super::Outcome;
use super::error::CliError;
use super::session::Session;

/// Measure how well the pack finds and recognises people
///
/// Everything is measured with intervals: of 95 of 100 repeated measurements with other people of the same kind, they
/// would hold the true value. The same photos give the same numbers.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Verification(verification::Verification),
    Identification(identification::Identification),
    Detection(detection::Detection),
    Quality(quality::Quality),
    Calibrate(calibrate::Calibrate),
}

impl Eval {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        match self.what {
            What::Verification(verification) => verification.run(session),
            What::Identification(identification) => identification.run(session),
            What::Detection(detection) => detection.run(session),
            What::Quality(quality) => quality.run(session),
            What::Calibrate(calibrate) => calibrate.run(session),
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

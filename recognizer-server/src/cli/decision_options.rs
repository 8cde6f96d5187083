//! How sure a match has to be.

use clap::Args;
use facerecog_engine::model::{DecisionError, DecisionRule, Pack, SearchDecision};

use super::error::CliError;

/// Options of every command that decides who somebody is.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Decision options")]
pub(crate) struct DecisionOptions {
    /// Distance below which two faces are of the same person; with --fmr the stricter of both holds [default: see --fmr]
    #[arg(long, value_name = "DISTANCE", value_parser = distance)]
    threshold: Option<f32>,
    /// Most of the searches for somebody unknown that may end with a name, as a share of 1; of N known photos each
    /// gets the Nth part of it [default: 0.0001 for each, and 0.01 for all together, as measured of the pack]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    fmr: Option<f64>,
}

impl DecisionOptions {
    pub(crate) fn rule(self) -> DecisionRule {
        match (self.threshold, self.fmr) {
            (Some(threshold), Some(rate)) => DecisionRule::Stricter(threshold, rate),
            (Some(threshold), None) => DecisionRule::Threshold(threshold),
            (None, Some(rate)) => DecisionRule::SearchRate(rate),
            (None, None) => DecisionRule::Calibrated,
        }
    }

    /// The decision of a search among `rows` known photos.
    pub(crate) fn for_search(self, pack: &Pack, rows: usize) -> Result<SearchDecision, CliError> {
        Ok(pack.decision().for_search(self.rule(), rows, pack.name())?)
    }
}

impl From<DecisionError> for CliError {
    fn from(error: DecisionError) -> Self {
        Self::Usage(error.to_string())
    }
}

pub(crate) fn distance(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("a distance above 0".into()),
    }
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("a share between 0 and 1, as 0.001".into()),
    }
}

//! Settings of the redeemer.

use std::time::Duration;

use crate::store::RedeemPolicy;

/// When photos are tried again.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Redeemer")]
pub struct RedeemerSettings {
    /// Tries after which a photo stays FAILED
    #[arg(long, env = "REDEEMER_MAX_ATTEMPTS", value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub max_attempts: u32,
    /// Delay after the first failed try; doubled for each further one
    #[arg(long, env = "REDEEMER_FIRST_DELAY_SECONDS", value_name = "SECONDS", default_value_t = 60)]
    pub first_delay_seconds: u32,
    /// Longest such delay
    #[arg(long, env = "REDEEMER_LONGEST_DELAY_SECONDS", value_name = "SECONDS", default_value_t = 3600)]
    pub longest_delay_seconds: u32,
    /// Age after which a photo counts as stuck that is PROCESSING without a lease, or PENDING and not in the outbox
    #[arg(long, env = "REDEEMER_STUCK_AFTER_SECONDS", value_name = "SECONDS", default_value_t = 600,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub stuck_after_seconds: u32,
}

impl RedeemerSettings {
    /// What they mean.
    pub fn policy(&self) -> RedeemPolicy {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        RedeemPolicy {
            max_attempts: self.max_attempts,
            first_delay: seconds(self.first_delay_seconds),
            longest_delay: seconds(self.longest_delay_seconds),
            stuck_after: seconds(self.stuck_after_seconds),
        }
    }
}

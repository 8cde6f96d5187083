//! Settings of the processor.

use std::time::Duration;

use crate::processor::{BreakerPolicy, ProcessorPolicy};

/// How photos are worked on.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Processor")]
pub struct ProcessorSettings {
    /// Photos under way at once; a recognizer that can do fewer lets the others wait
    #[arg(long, env = "PROCESSOR_CONCURRENCY", value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Longest time for the recognizer's answer to one photo
    #[arg(long, env = "PROCESSOR_PHOTO_TIMEOUT_SECONDS", value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub photo_timeout_seconds: u32,
    /// How long a photo stays a processor's that is not heard of any more
    #[arg(long, env = "PROCESSOR_LEASE_SECONDS", value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u32).range(3..))]
    pub lease_seconds: u32,
    /// Failures of the recognizer in a row after which no more calls are made for a while
    #[arg(long, env = "PROCESSOR_BREAKER_FAILURES", value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub breaker_failures: u32,
    /// First wait until the recognizer is asked whether it is well again; doubled each time that it is not
    #[arg(long, env = "PROCESSOR_BREAKER_FIRST_WAIT_SECONDS", value_name = "SECONDS", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub breaker_first_wait_seconds: u32,
    /// Longest such wait
    #[arg(long, env = "PROCESSOR_BREAKER_LONGEST_WAIT_SECONDS", value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub breaker_longest_wait_seconds: u32,
    /// Time that photos under way have to be settled when the processor is told to stop
    #[arg(long, env = "PROCESSOR_GRACE_SECONDS", value_name = "SECONDS", default_value_t = 20)]
    pub grace_seconds: u32,
}

impl ProcessorSettings {
    /// What they mean.
    pub fn policy(&self) -> ProcessorPolicy {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        ProcessorPolicy {
            concurrency: self.concurrency.into(),
            lease: seconds(self.lease_seconds),
            breaker: BreakerPolicy {
                failures: self.breaker_failures,
                first_wait: seconds(self.breaker_first_wait_seconds),
                longest_wait: seconds(self.breaker_longest_wait_seconds),
            },
            grace: seconds(self.grace_seconds),
        }
    }

    /// Longest time for the answer to one photo.
    pub fn photo_timeout(&self) -> Duration {
        Duration::from_secs(self.photo_timeout_seconds.into())
    }
}

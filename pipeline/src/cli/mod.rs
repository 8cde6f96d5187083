//! The command line: a file for each service.

mod frontend;
mod health;
mod processor;
mod receiver;
mod redeemer;
mod start;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use start::{StartError, listen, readiness};

/// The services around the recognizer
///
/// The receiver takes paths of photos and stores them, the processor asks the recognizer who is on them, the redeemer
/// gives those that failed another try, and the frontend shows them. They know each other through the database and the
/// queue alone. Every option can be given in the environment as well.
#[derive(Debug, Parser)]
#[command(
    name = "pipeline",
    version,
    after_long_help = "\
Examples:
  pipeline all
  pipeline receiver --db-host mysql --db-userpassword-file /run/secrets/db --producer-address nsqd:4150"
)]
struct Arguments {
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, Subcommand)]
enum Service {
    Receiver(receiver::Receiver),
    Processor(processor::Processor),
    Redeemer(redeemer::Redeemer),
    Frontend(frontend::Frontend),
    All(Box<crate::all::All>),
    Health(health::Health),
}

/// Runs the command line; returns the exit status of the process.
pub fn run() -> ExitCode {
    let Arguments { service } = Arguments::parse();
    match start::block_on(service.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pipeline: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Service {
    async fn run(self) -> Result<(), StartError> {
        match self {
            Self::Receiver(receiver) => receiver.run().await,
            Self::Processor(processor) => processor.run().await,
            Self::Redeemer(redeemer) => redeemer.run().await,
            Self::Frontend(frontend) => frontend.run().await,
            Self::All(all) => all.run().await,
            Self::Health(health) => health.run().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn options_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }
}

//! The command line: what can be asked, and how a run ends.

mod call;
mod config;
mod decision_options;
mod detect;
mod embed;
mod enrolment;
mod error;
mod eval;
mod identify;
mod in_order;
mod index;
mod model_folder;
mod models;
mod models_add;
mod models_calibrate;
mod models_explain;
mod models_fetch;
mod output;
mod own_manifest;
mod person_score;
mod photo_list;
mod photo_options;
mod progress;
mod record;
mod reindex;
mod serve;
mod session;
mod table;
mod verify;

use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};

pub(crate) use error::CliError;
pub(crate) use model_folder::default_model_folder;
use output::Output;
pub(crate) use record::ErrorRecord;
pub(crate) use serve::recognizer;
use session::{Session, SessionOptions};

use crate::telemetry;

/// Finds faces in photos and tells who they are.
///
/// Known people are a folder of photos: flat, with the person as the file's name (obama.jpg,
/// hannibal_1.jpg, hannibal_2.jpg), or with one folder a person. `reindex` reads it once and keeps
/// what it learned in an index; `identify` and `serve` answer from the index in milliseconds.
#[derive(Debug, Parser)]
#[command(name = "recognizer", version, propagate_version = true, after_long_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  Who is on these photos? Learn the known people first, then draw what was found:
      recognizer identify examples/ --known known_people --draw annotated/

  The same in two steps, as one JSON object a line:
      recognizer reindex known_people
      recognizer identify --json examples/*.jpg

  Are these two the same person?
      recognizer verify a.jpg b.jpg

  Answer over gRPC on port 50051, and learn photos dropped into the folder while running:
      recognizer serve --known known_people

  What would the server run with, and does it answer?
      recognizer config --config /etc/facerecog.toml
      recognizer call health

  Use the faster models:
      recognizer models fetch fast
      recognizer --pack fast identify photo.jpg --known known_people

Exit status: 0 when every photo was answered, 1 when one failed, 2 for wrong usage.";

#[derive(Debug, Args)]
struct GlobalOptions {
    #[command(flatten)]
    session: SessionOptions,
    /// Threads to work with [default: the CPU quota of the container, else the cores]
    #[arg(long, global = true, env = "FACERECOG_THREADS", value_name = "N", help_heading = "General options")]
    threads: Option<usize>,
    /// Say more on standard error: -v what is done, -vv every detail (RUST_LOG overrides)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "General options")]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    Config(Box<config::Config>),
    Call(call::Call),
    Reindex(reindex::Reindex),
    Identify(identify::Identify),
    Detect(detect::Detect),
    Verify(verify::Verify),
    Embed(embed::Embed),
    Eval(eval::Eval),
    Index(index::Index),
    Models(models::Models),
}

/// How a command that ran to its end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Everything asked was answered.
    Complete,
    /// Something asked could not be answered, and has been reported.
    SomeFailed,
}

impl Outcome {
    fn of(any_failed: bool) -> Self {
        if any_failed { Self::SomeFailed } else { Self::Complete }
    }
}

/// Parses the arguments, runs the command and turns its end into an exit status.
pub(crate) fn run() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    match command.run(&global) {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::from(1),
        Err(error) => {
            if !error.is_closed_pipe() {
                eprintln!("error: {error}");
            }
            ExitCode::from(error.exit_status())
        }
    }
}

impl Command {
    fn run(self, options: &GlobalOptions) -> Result<Outcome, CliError> {
        // A server takes threads and models from its configuration, a client of one needs neither.
        match &self {
            Self::Serve(_) => {}
            Self::Config(_) | Self::Call(_) => telemetry::command_line_log(options.verbose),
            _ => {
                telemetry::command_line_log(options.verbose);
                start_threads(options.threads.unwrap_or_else(crate::config::available_threads))?;
            }
        }
        let session = || Session::new(&options.session);
        match self {
            Self::Serve(command) => command.run(options),
            Self::Config(command) => command.run(options),
            Self::Call(command) => command.run(Output::new(options.session.json)),
            Self::Reindex(command) => command.run(&session()?),
            Self::Identify(command) => command.run(&session()?),
            Self::Detect(command) => command.run(&session()?),
            Self::Verify(command) => command.run(&session()?),
            Self::Embed(command) => command.run(&session()?),
            Self::Eval(command) => command.run(&session()?),
            Self::Index(command) => command.run(&session()?),
            Self::Models(command) => command.run(&session()?),
        }
    }
}

/// Starts the pool that works on photos.
fn start_threads(width: usize) -> Result<(), CliError> {
    if width == 0 {
        return Err(CliError::Usage("--threads must be at least 1".into()));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(width)
        .thread_name(|index| format!("photo-{index}"))
        .build_global()
        .map_err(|error| CliError::Failed(format!("could not start {width} threads: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let cli = Cli::try_parse_from(["recognizer", "identify", "a.jpg", "--json", "--pack", "fast"]).unwrap();
        assert!(cli.global.session.json);
        assert_eq!(cli.global.session.pack.as_deref(), Some("fast"));
    }

    #[test]
    fn photos_are_required() {
        for command in ["identify", "detect", "embed"] {
            assert!(Cli::try_parse_from(["recognizer", command]).is_err(), "{command}");
        }
    }
}

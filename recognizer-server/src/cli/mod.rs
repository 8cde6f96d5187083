//! The command line: what can be asked, and how a run ends.

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
mod models_fetch;
mod output;
mod photo_list;
mod photo_options;
mod progress;
mod record;
mod reindex;
mod serve;
mod session;
mod table;
mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub(crate) use error::CliError;
pub(crate) use record::ErrorRecord;
use session::{Session, SessionOptions};

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

  Use the faster models:
      recognizer models fetch fast
      recognizer --pack fast identify photo.jpg --known known_people

Exit status: 0 when every photo was answered, 1 when one failed, 2 for wrong usage.";

#[derive(Debug, Args)]
struct GlobalOptions {
    #[command(flatten)]
    session: SessionOptions,
    /// Threads to work with [default: the CPU quota of the container, else the cores]
    #[arg(long, global = true, value_name = "N", help_heading = "General options")]
    threads: Option<usize>,
    /// Say more on standard error: -v what is done, -vv every detail (RUST_LOG overrides)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "General options")]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
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
    start_logging(global.verbose, matches!(command, Command::Serve(_)));
    match start_threads(global.threads).and_then(|()| command.run(&global.session)) {
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
    fn run(self, options: &SessionOptions) -> Result<Outcome, CliError> {
        let session = Session::new(options)?;
        match self {
            Self::Serve(command) => command.run(&session),
            Self::Reindex(command) => command.run(&session),
            Self::Identify(command) => command.run(&session),
            Self::Detect(command) => command.run(&session),
            Self::Verify(command) => command.run(&session),
            Self::Embed(command) => command.run(&session),
            Self::Eval(command) => command.run(&session),
            Self::Index(command) => command.run(&session),
            Self::Models(command) => command.run(&session),
        }
    }
}

fn start_logging(verbose: u8, server: bool) {
    let default = match (verbose, server) {
        (0, false) => "warn",
        (0, true) | (1, _) => "warn,recognizer=info,facerecog_engine=info",
        _ => "info,recognizer=debug,facerecog_engine=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// The default width is the standard library's: the CPU affinity bounded by the cgroup quota, v1 or
/// v2, of this process and the groups above it.
fn start_threads(threads: Option<usize>) -> Result<(), CliError> {
    if threads == Some(0) {
        return Err(CliError::Usage("--threads must be at least 1".into()));
    }
    let width = match threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
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
        assert_eq!(cli.global.session.pack, "fast");
    }

    #[test]
    fn photos_are_required() {
        for command in ["identify", "detect", "embed"] {
            assert!(Cli::try_parse_from(["recognizer", command]).is_err(), "{command}");
        }
    }
}

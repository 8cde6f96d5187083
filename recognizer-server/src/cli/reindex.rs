//! `recognizer reindex`.

use std::path::PathBuf;

use clap::Args;
use facerecog_engine::gallery::{EnrolOptions, OutlierCheck, QualityCheck};

use super::error::CliError;
use super::photo_options::{PhotoOptions, fraction};
use super::session::{IndexOptions, Session};
use super::{Outcome, enrolment};

/// Learn the known people of a folder
///
/// Reads the photos in KNOWN and keeps the embedding of each one's face in the index. The person is
/// the sub-folder's name, else the file's name without its ending and without a trailing _<number>:
/// hannibal_1.jpg and hannibal_2.jpg are both hannibal. Only photos that are new or have changed are
/// read; people whose photos are gone are forgotten. A photo without a usable face is reported and
/// left out; that is no failure of the command. Killed half-way, it goes on where it ended when it is
/// run again. A running server that uses the index takes the new generation up by itself.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  recognizer reindex known_people
  recognizer reindex known_people --index /var/lib/facerecog --json")]
pub(crate) struct Reindex {
    /// Folder of photos of known people
    known: PathBuf,
    #[command(flatten)]
    index: IndexOptions,
    /// Read every photo again, changed or not
    #[arg(long)]
    full: bool,
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave out photos that are unlike the person's others, which are warned of otherwise
    #[arg(long)]
    reject_outliers: bool,
    /// Leave out photos whose face has a lower quality than this, 0…1; without it those below 0.1 are warned of, and
    /// none is left out
    #[arg(long, value_name = "QUALITY", value_parser = fraction)]
    min_quality: Option<f32>,
    #[command(flatten)]
    photo: PhotoOptions,
}

impl Reindex {
    pub(crate) fn run(self, session: &Session) -> Result<Outcome, CliError> {
        let index_dir = session.index_dir(&self.index);
        let recognizer = session.recognizer(self.photo.detect())?;
        let threshold = recognizer.pack().decision().threshold;
        let options = EnrolOptions {
            full: self.full,
            dry_run: self.dry_run,
            limits: self.photo.enrol_limits(),
            outliers: Some(OutlierCheck { threshold, reject: self.reject_outliers }),
            quality: QualityCheck { least: self.min_quality.unwrap_or(0.0), ..QualityCheck::default() },
        };
        let report = enrolment::enrol(&recognizer, &self.known, &index_dir, &options, session.output)?;
        session.output.answer(&report, || enrolment::describe(&report))?;
        Ok(Outcome::Complete)
    }
}

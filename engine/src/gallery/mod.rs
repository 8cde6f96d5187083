//! Known people: an index file of their embeddings, enrolment from a folder of photos, and search.
//!
//! An index is a folder of immutable generations:
//!
//! ```text
//! gallery.6.idx   the generation before, kept for readers that are about to open it
//! gallery.7.idx   one whole gallery
//! CURRENT         one line: gallery.7.idx
//! LOCK            held by the one writer
//! ENROLMENT       what an enrolment that is under way, or was killed, has finished
//! ```
//!
//! [`enrol`] reads a folder of photos and publishes a generation, [`Gallery::open`] maps the current
//! one, [`Gallery::search`] finds the rows nearest to a probe, [`verify`] checks every byte. A
//! writer that dies at any instruction leaves the old or the new generation in place.

mod durable;
mod enrol;
mod error;
mod format;
mod generation;
mod reader;
mod row;
mod search;
mod verify;
mod writer;

pub use enrol::{
    EnrolError, EnrolLimits, EnrolOptions, EnrolProgress, EnrolRefusal, EnrolWarning, EnrolledFace, EnrolmentEmbedder,
    EnrolmentReport, KnownFolderFingerprint, OutlierCheck, QualityCheck, SkippedPhoto, enrol, image_name_of, is_photo,
    person_of,
};
pub use error::GalleryError;
pub use generation::current_generation;
pub use reader::{Gallery, Verify};
pub use row::{Person, Row, SkippedRow, SourceFile};
pub use search::{Hit, PersonScore};
pub use verify::{SectionReport, VerifyReport, verify};
pub use writer::IndexWriter;

//! Checking every byte of an index.

use std::path::Path;

use serde::Serialize;

use super::reader::GenerationFile;
use super::{Gallery, GalleryError, Verify};

/// An index without a wrong byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The file that was checked, as text.
    pub path: String,
    /// Its generation.
    pub generation: u64,
    /// Faces in it.
    pub rows: usize,
    /// People in it.
    pub people: usize,
    /// Photos it remembers as not fit for enrolment.
    pub skipped: usize,
    /// Its sections.
    pub sections: Vec<SectionReport>,
}

/// One section that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SectionReport {
    /// What it holds.
    pub name: String,
    /// Its length.
    pub bytes: usize,
}

/// Checks every byte of the current generation in `dir`: header, checksums of all sections, what
/// lies between them, and every reference from one section to another.
///
/// # Errors
/// The first thing found wrong, naming file and section.
pub fn verify(dir: &Path) -> Result<VerifyReport, GalleryError> {
    let file = GenerationFile::open_current(dir)?;
    let path = file.path.display().to_string();
    let sections = file
        .header
        .sections
        .iter()
        .map(|section| SectionReport { name: section.name(), bytes: section.bytes.len() })
        .collect();
    let gallery = Gallery::from_file(file, Verify::Full)?;
    Ok(VerifyReport {
        path,
        generation: gallery.generation(),
        rows: gallery.rows(),
        people: gallery.people().len(),
        skipped: gallery.skipped().len(),
        sections,
    })
}

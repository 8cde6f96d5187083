//! An opened generation.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use facerecog_kernels::codes::{BLOCK_ROWS, Line, block_bytes};
use rayon::prelude::*;

use super::format::{self, Header, PersonRecord, RowRecord, Section, SectionKind, SkippedRecord, StringRef};
use super::generation::{self, CURRENT, current_generation};
use super::search::{PersonRows, Templates};
use super::{GalleryError, Person, Row, SkippedRow};
use crate::mapped_file::Mapping;
use crate::model::EmbedderIdentity;
use crate::regular_file::{OpenError, open_regular_file};

/// How much of an index is checked when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// The header, the section table, and the people: takes no longer for more rows. In a file that was damaged since
    /// it was written, a row may then have an empty name, or the wrong one.
    #[default]
    Header,
    /// Every byte, and every reference from one section to another.
    Full,
}

/// One generation of an index, mapped into memory and never changing. Share it with an
/// [`Arc`](std::sync::Arc); opening a newer generation gives another `Gallery` and leaves this one
/// usable even after its file is deleted.
#[derive(Debug)]
pub struct Gallery {
    mapping: Mapping,
    path: Option<PathBuf>,
    generation: u64,
    identity: EmbedderIdentity,
    rows: usize,
    parts: Parts,
    /// Made when a search first needs it.
    pub(super) person_rows: OnceLock<PersonRows>,
    /// Likewise.
    pub(super) templates: OnceLock<Templates>,
}

/// Where in the mapping the sections lie.
#[derive(Debug, Default)]
struct Parts {
    embeddings: Range<usize>,
    rows: Range<usize>,
    people: Range<usize>,
    skipped: Range<usize>,
    strings: Range<usize>,
    /// Empty in a file without codes.
    codes: Range<usize>,
}

impl Gallery {
    /// Opens the current generation in `dir`, which must have been written with the embedder
    /// `identity`.
    ///
    /// # Errors
    /// [`GalleryError::NoGeneration`] when there is none yet, [`GalleryError::OtherEmbedder`] when
    /// it holds the embeddings of another network, and the variants for damaged files. A
    /// `CURRENT` that names a missing file is an error: taking an older generation instead could
    /// bring back people who were removed.
    pub fn open(dir: &Path, identity: &EmbedderIdentity, verify: Verify) -> Result<Self, GalleryError> {
        let opened = GenerationFile::open_current(dir)?;
        if opened.header.identity != *identity {
            return Err(GalleryError::OtherEmbedder {
                path: opened.path,
                found: Box::new(opened.header.identity),
                expected: Box::new(*identity),
            });
        }
        Self::from_file(opened, verify)
    }

    /// Opens the current generation in `dir` whichever embedder wrote it: to list what it holds.
    /// Searching it makes sense only for probes of [`Self::identity`].
    ///
    /// # Errors
    /// As [`Self::open`], without [`GalleryError::OtherEmbedder`].
    pub fn open_any_embedder(dir: &Path, verify: Verify) -> Result<Self, GalleryError> {
        Self::from_file(GenerationFile::open_current(dir)?, verify)
    }

    /// A gallery that knows nobody.
    pub fn empty(identity: EmbedderIdentity) -> Self {
        Self {
            mapping: Mapping::empty(),
            path: None,
            generation: 0,
            identity,
            rows: 0,
            parts: Parts::default(),
            person_rows: OnceLock::new(),
            templates: OnceLock::new(),
        }
    }

    pub(super) fn from_file(file: GenerationFile, verify: Verify) -> Result<Self, GalleryError> {
        let codes = file.optional_section(SectionKind::Codes);
        if let Some(codes) = &codes {
            file.mapping.will_be_scanned(codes);
        }
        file.check_sections(verify)?;
        let parts = Parts {
            embeddings: file.section(SectionKind::Embeddings)?,
            rows: file.section(SectionKind::Rows)?,
            people: file.section(SectionKind::People)?,
            skipped: file.section(SectionKind::Skipped)?,
            strings: file.section(SectionKind::Strings)?,
            codes: codes.clone().unwrap_or_default(),
        };
        let GenerationFile { mapping, path, header } = file;
        let Header { generation, identity, rows, .. } = header;
        let (person_rows, templates) = Default::default();
        let gallery =
            Self { mapping, path: Some(path.clone()), generation, identity, rows, parts, person_rows, templates };
        gallery.check_lengths(&path, codes.is_some())?;
        gallery.check_people(&path)?;
        if verify == Verify::Full {
            gallery.check_references(&path)?;
        }
        Ok(gallery)
    }

    /// Refuses sections that do not have the length for the rows, so that the accessors cannot reach beyond them.
    fn check_lengths(&self, path: &Path, has_codes: bool) -> Result<(), GalleryError> {
        let Parts { embeddings, rows, people, skipped, codes, .. } = &self.parts;
        let malformed = |kind: SectionKind, reason: String| Err(GalleryError::malformed(path, kind.name(), reason));
        let stride = format::embedding_stride(self.identity.dims);
        for (kind, section, bytes_each) in
            [(SectionKind::Embeddings, embeddings, stride), (SectionKind::Rows, rows, RowRecord::BYTES)]
        {
            if self.rows.checked_mul(bytes_each) != Some(section.len()) {
                return malformed(kind, format!("{} bytes are not {} rows", section.len(), self.rows));
            }
        }
        let blocks = self.rows.div_ceil(BLOCK_ROWS);
        if has_codes && blocks.checked_mul(block_bytes(self.identity.dims)) != Some(codes.len()) {
            return malformed(SectionKind::Codes, format!("{} bytes are not {} rows", codes.len(), self.rows));
        }
        for (kind, section, bytes_each) in
            [(SectionKind::People, people, PersonRecord::BYTES), (SectionKind::Skipped, skipped, SkippedRecord::BYTES)]
        {
            if section.len() % bytes_each != 0 {
                return malformed(kind, format!("{} bytes are no whole number of records", section.len()));
            }
        }
        Ok(())
    }

    /// Names must lie within the strings. The strings themselves are not touched.
    fn check_people(&self, path: &Path) -> Result<(), GalleryError> {
        let length = self.parts.strings.len();
        let is_string = |at: StringRef| at.range().is_some_and(|range| range.end <= length);
        let bad_person = self
            .bytes(&self.parts.people)
            .chunks_exact(PersonRecord::BYTES)
            .position(|record| !is_string(PersonRecord::decode(record).name));
        match bad_person {
            Some(person) => {
                let reason = format!("person {person} refers to something that is not there");
                Err(GalleryError::malformed(path, SectionKind::People.name(), reason))
            }
            None => Ok(()),
        }
    }

    /// Every reference from one section to another: what is wrong here would answer with wrong names.
    fn check_references(&self, path: &Path) -> Result<(), GalleryError> {
        let Parts { rows, people, skipped, strings, .. } = &self.parts;
        let malformed = |kind: SectionKind, reason: String| Err(GalleryError::malformed(path, kind.name(), reason));
        let Ok(strings) = std::str::from_utf8(self.bytes(strings)) else {
            return malformed(SectionKind::Strings, "not UTF-8".into());
        };
        let is_string = |at: StringRef| at.range().is_some_and(|range| strings.get(range).is_some());
        let person_count = self.person_count();

        let bad_row = self.bytes(rows).par_chunks_exact(RowRecord::BYTES).position_first(|record| {
            let row = RowRecord::decode(record);
            !is_string(row.image_name) || !is_string(row.source) || row.person as usize >= person_count
        });
        if let Some(row) = bad_row {
            return malformed(SectionKind::Rows, format!("row {row} refers to something that is not there"));
        }
        let bad_person = self
            .bytes(people)
            .chunks_exact(PersonRecord::BYTES)
            .position(|record| !is_string(PersonRecord::decode(record).name));
        if let Some(person) = bad_person {
            return malformed(SectionKind::People, format!("the name of person {person} is cut within a letter"));
        }
        let bad_skipped = self.bytes(skipped).chunks_exact(SkippedRecord::BYTES).position(|record| {
            let skipped = SkippedRecord::decode(record);
            !(is_string(skipped.source) && is_string(skipped.code) && is_string(skipped.message))
        });
        if let Some(skipped) = bad_skipped {
            return malformed(SectionKind::Skipped, format!("photo {skipped} refers to something that is not there"));
        }
        Ok(())
    }

    /// Number of rows, one for each enrolled face.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Row `index`. Rows are sorted by [`Row::source`] when they come from [`enrol`](super::enrol()).
    ///
    /// # Panics
    /// When `index` is not less than [`Self::rows`].
    pub fn row(&self, index: usize) -> Row<'_> {
        let record = self.row_record(index);
        Row {
            image_name: self.string(record.image_name),
            person: self.person(record.person as usize).name,
            source: self.string(record.source),
            file: record.file,
            bbox: record.bbox,
            score: record.score,
            quality: record.quality,
            faces_seen: record.faces_seen,
            embedding: self.embedding(index),
        }
    }

    /// The people there are, sorted by name.
    pub fn people(&self) -> impl ExactSizeIterator<Item = Person<'_>> {
        (0..self.person_count()).map(|person| self.person(person))
    }

    /// The photos that could not be enrolled.
    pub fn skipped(&self) -> impl ExactSizeIterator<Item = SkippedRow<'_>> {
        self.bytes(&self.parts.skipped).chunks_exact(SkippedRecord::BYTES).map(|record| {
            let record = SkippedRecord::decode(record);
            SkippedRow {
                source: self.string(record.source),
                file: record.file,
                code: self.string(record.code),
                message: self.string(record.message),
            }
        })
    }

    /// Number of the generation, from 1; 0 for [`Self::empty`].
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The file; none for [`Self::empty`].
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The embedder that the rows come from.
    pub fn identity(&self) -> &EmbedderIdentity {
        &self.identity
    }

    /// All embeddings, each followed by zeros up to [`Self::embedding_stride`].
    pub(super) fn embeddings(&self) -> &[f32] {
        self.mapping.floats(self.parts.embeddings.clone())
    }

    /// Numbers from one embedding to the next.
    pub(super) fn embedding_stride(&self) -> usize {
        format::embedding_stride(self.identity.dims) / size_of::<f32>()
    }

    /// The blocks of [`codes`](facerecog_kernels::codes) of all rows; nothing in a gallery written before there were
    /// codes.
    pub(super) fn codes(&self) -> &[Line] {
        self.bytes(&self.parts.codes).as_chunks().0
    }

    pub(super) fn person_count(&self) -> usize {
        self.parts.people.len() / PersonRecord::BYTES
    }

    /// Place in [`Self::people`] of the person of a row. In a damaged file there may be nobody at that place.
    pub(super) fn person_of_row(&self, row: usize) -> usize {
        self.row_record(row).person as usize
    }

    pub(super) fn embedding(&self, index: usize) -> &[f32] {
        let start = index * self.embedding_stride();
        &self.embeddings()[start..start + self.identity.dims]
    }

    fn row_record(&self, index: usize) -> RowRecord {
        assert!(index < self.rows, "row {index} of a gallery of {}", self.rows);
        RowRecord::decode(record(self.bytes(&self.parts.rows), index, RowRecord::BYTES))
    }

    fn person(&self, index: usize) -> Person<'_> {
        if index >= self.person_count() {
            return Person { name: "", rows: 0 };
        }
        let record = PersonRecord::decode(record(self.bytes(&self.parts.people), index, PersonRecord::BYTES));
        Person { name: self.string(record.name), rows: record.rows }
    }

    fn string(&self, at: StringRef) -> &str {
        // Fails only in a file that was damaged since it was written and opened without a check of every byte.
        at.range()
            .and_then(|range| self.bytes(&self.parts.strings).get(range))
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    fn bytes(&self, part: &Range<usize>) -> &[u8] {
        &self.mapping.bytes()[part.clone()]
    }
}

fn record(section: &[u8], index: usize, bytes: usize) -> &[u8] {
    &section[index * bytes..(index + 1) * bytes]
}

/// A mapped file whose header is sound.
#[derive(Debug)]
pub(super) struct GenerationFile {
    pub(super) mapping: Mapping,
    pub(super) path: PathBuf,
    pub(super) header: Header,
}

impl GenerationFile {
    /// Maps the generation that `CURRENT` names.
    pub(super) fn open_current(dir: &Path) -> Result<Self, GalleryError> {
        let mut looked_for = None;
        loop {
            let generation =
                current_generation(dir)?.ok_or_else(|| GalleryError::NoGeneration { dir: dir.to_owned() })?;
            let path = dir.join(generation::file_name(generation));
            match open_regular_file(&path) {
                Ok((file, _)) => {
                    let mapping = Mapping::open(&file).map_err(GalleryError::io(&path))?;
                    return Self::new(mapping, path, generation);
                }
                // Two generations may have been published since CURRENT was read, and this one
                // deleted; then CURRENT names another by now.
                Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    if looked_for == Some(generation) {
                        return Err(GalleryError::MissingGeneration { path, current: dir.join(CURRENT) });
                    }
                    looked_for = Some(generation);
                }
                Err(error) => return Err(GalleryError::io(&path)(error.into())),
            }
        }
    }

    fn new(mapping: Mapping, path: PathBuf, generation: u64) -> Result<Self, GalleryError> {
        let header = Header::decode(mapping.bytes(), &path)?;
        if header.generation != generation {
            let reason = format!("is generation {}, not the one of the file's name", header.generation);
            return Err(GalleryError::malformed(&path, format::HEADER, reason));
        }
        Ok(Self { mapping, path, header })
    }

    /// Compares sections with their checksums.
    pub(super) fn check_sections(&self, verify: Verify) -> Result<(), GalleryError> {
        let checked = |section: &&Section| verify == Verify::Full || section.id == SectionKind::People as u32;
        let sections: Vec<_> = self.header.sections.iter().filter(checked).collect();
        let bytes = self.mapping.bytes();
        let damaged =
            sections.par_iter().find_first(|section| blake3::hash(&bytes[section.bytes.clone()]) != section.checksum);
        match damaged {
            Some(section) => Err(GalleryError::Checksum { path: self.path.clone(), section: section.name() }),
            None => Ok(()),
        }
    }

    fn section(&self, kind: SectionKind) -> Result<Range<usize>, GalleryError> {
        self.optional_section(kind).ok_or_else(|| GalleryError::malformed(&self.path, kind.name(), "is missing"))
    }

    fn optional_section(&self, kind: SectionKind) -> Option<Range<usize>> {
        let section = self.header.sections.iter().find(|section| section.id == kind as u32)?;
        Some(section.bytes.clone())
    }
}

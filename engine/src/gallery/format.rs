//! Format version 1 of a generation file. All numbers are little-endian.
//!
//! ```text
//! header         96 bytes
//!   0  magic               "FACEGLRY"
//!   8  format version      u32 = 1
//!  12  byte order mark     u32 = 0x01020304
//!  16  header length       u32, with the section table and the checksum
//!  20  sections            u32, at most 64
//!  24  generation          u64, the number in the file's name
//!  32  rows                u64
//!  40  file length         u64
//!  48  embedder's digest   32 bytes
//!  80  dims                u32, 1 to 65,536
//!  84  metric              u32: 1 Euclidean, 2 cosine
//!  88  zero                8 bytes
//! section table  64 bytes a section, in the order of the file
//!   0  id                  u32
//!   4  zero                u32
//!   8  offset              u64, a multiple of 64
//!  16  length              u64
//!  24  zero                u64
//!  32  checksum            blake3 of the section
//! checksum       blake3 of everything before it
//! sections, each padded with zeros to a multiple of 64, except the last
//!   1  embeddings          f32, each row padded with zeros to a multiple of 64 bytes
//!   2  rows                112 bytes a row, see `RowRecord`
//!   3  people              16 bytes a person, sorted by name, see `PersonRecord`
//!   4  skipped photos      88 bytes a photo, see `SkippedRecord`
//!   5  strings             UTF-8
//!   7  codes               one byte a number and bounds of its error, see `facerecog_kernels::codes`
//! ```
//!
//! Galleries written before there were codes have none; those are searched by their embeddings alone.
//!
//! A reader ignores sections it does not know, so that new ones need no new version. The magic, the
//! version and their places are the same in every version.

use std::ops::Range;
use std::path::Path;

use super::{GalleryError, SourceFile};
use crate::BoundingBox;
use crate::embed::Metric;
use crate::model::EmbedderIdentity;

pub(super) const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"FACEGLRY";
const BYTE_ORDER_MARK: u32 = 0x0102_0304;
const HEADER_BYTES: usize = 96;
const SECTION_BYTES: usize = 64;
const CHECKSUM_BYTES: usize = blake3::OUT_LEN;
const MAX_SECTIONS: usize = 64;
const MAX_DIMS: u32 = 65_536;
const METRIC_EUCLIDEAN: u32 = 1;
const METRIC_COSINE: u32 = 2;
/// Of sections and of embeddings: a cache line, and the widest vector register.
pub(super) const ALIGNMENT: usize = 64;

/// Name of the header in errors and reports.
pub(super) const HEADER: &str = "header";

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum SectionKind {
    Embeddings = 1,
    Rows = 2,
    People = 3,
    Skipped = 4,
    Strings = 5,
    // A fixture of a file with sections of later releases has taken 6.
    Codes = 7,
}

impl SectionKind {
    /// In the order in which they are written.
    pub(super) const ALL: [Self; 6] =
        [Self::Embeddings, Self::Rows, Self::People, Self::Skipped, Self::Strings, Self::Codes];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Embeddings => "embeddings",
            Self::Rows => "rows",
            Self::People => "people",
            Self::Skipped => "skipped photos",
            Self::Strings => "strings",
            Self::Codes => "codes",
        }
    }
}

/// An entry of the section table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) id: u32,
    pub(super) bytes: Range<usize>,
    pub(super) checksum: [u8; 32],
}

impl Section {
    pub(super) fn name(&self) -> String {
        match SectionKind::ALL.iter().find(|kind| **kind as u32 == self.id) {
            Some(kind) => kind.name().to_owned(),
            None => format!("section {}", self.id),
        }
    }
}

/// The header and the section table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) generation: u64,
    pub(super) identity: EmbedderIdentity,
    pub(super) rows: usize,
    pub(super) file_bytes: usize,
    pub(super) sections: Vec<Section>,
}

/// Bytes from one embedding to the next.
pub(super) fn embedding_stride(dims: usize) -> usize {
    (dims * size_of::<f32>()).next_multiple_of(ALIGNMENT)
}

/// Where the first section of a file with this many sections begins.
pub(super) fn first_section(sections: usize) -> usize {
    header_length(sections).next_multiple_of(ALIGNMENT)
}

fn header_length(sections: usize) -> usize {
    HEADER_BYTES + sections * SECTION_BYTES + CHECKSUM_BYTES
}

impl Header {
    /// The header, the section table and their checksum, padded to where the first section begins.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(first_section(self.sections.len()));
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(BYTE_ORDER_MARK.to_le_bytes());
        out.extend((header_length(self.sections.len()) as u32).to_le_bytes());
        out.extend((self.sections.len() as u32).to_le_bytes());
        out.extend(self.generation.to_le_bytes());
        out.extend((self.rows as u64).to_le_bytes());
        out.extend((self.file_bytes as u64).to_le_bytes());
        out.extend(self.identity.digest);
        out.extend((self.identity.dims as u32).to_le_bytes());
        let metric = match self.identity.metric {
            Metric::Euclidean => METRIC_EUCLIDEAN,
            Metric::Cosine => METRIC_COSINE,
        };
        out.extend(metric.to_le_bytes());
        out.extend([0; 8]);
        for section in &self.sections {
            out.extend(section.id.to_le_bytes());
            out.extend([0; 4]);
            out.extend((section.bytes.start as u64).to_le_bytes());
            out.extend((section.bytes.len() as u64).to_le_bytes());
            out.extend([0; 8]);
            out.extend(section.checksum);
        }
        let checksum = blake3::hash(&out);
        out.extend(checksum.as_bytes());
        out.resize(first_section(self.sections.len()), 0);
        out
    }

    /// Reads and checks the header of `file`, the whole of the file at `path`: sections lie within
    /// the file, apart from each other, with nothing but a few zeros between them.
    pub(super) fn decode(file: &[u8], path: &Path) -> Result<Self, GalleryError> {
        let malformed = |reason: String| GalleryError::malformed(path, HEADER, reason);
        if !file.starts_with(&MAGIC) {
            return Err(GalleryError::NotAnIndex { path: path.to_owned() });
        }
        let wrong_length = |expected: usize| GalleryError::WrongLength {
            path: path.to_owned(),
            expected: expected as u64,
            found: file.len() as u64,
        };
        let mut fixed = Fields(file.get(MAGIC.len()..HEADER_BYTES).ok_or_else(|| wrong_length(HEADER_BYTES))?);
        let version = fixed.u32();
        if version != VERSION {
            return Err(GalleryError::UnsupportedVersion { path: path.to_owned(), found: version, supported: VERSION });
        }
        // Embeddings are used as they lie in the file, in the machine's own byte order.
        if u32::from_ne_bytes(fixed.take()) != BYTE_ORDER_MARK {
            return Err(GalleryError::ByteOrder { path: path.to_owned() });
        }
        let length = fixed.u32() as usize;
        let section_count = fixed.u32() as usize;
        if section_count > MAX_SECTIONS || length != header_length(section_count) {
            return Err(malformed(format!("{length} bytes do not fit {section_count} sections")));
        }
        let header = file.get(..length).ok_or_else(|| wrong_length(length))?;
        let (checked, checksum) = header.split_at(length - CHECKSUM_BYTES);
        if blake3::hash(checked).as_bytes() != checksum {
            return Err(GalleryError::Checksum { path: path.to_owned(), section: HEADER.to_owned() });
        }
        let generation = fixed.u64();
        let rows = fixed.u64();
        let file_bytes = fixed.u64();
        let digest = fixed.take();
        let dims = fixed.u32();
        let metric = match fixed.u32() {
            METRIC_EUCLIDEAN => Metric::Euclidean,
            METRIC_COSINE => Metric::Cosine,
            other => return Err(malformed(format!("no metric has the number {other}"))),
        };
        if !(1..=MAX_DIMS).contains(&dims) {
            return Err(malformed(format!("embeddings of {dims} numbers")));
        }
        if file_bytes != file.len() as u64 {
            return Err(GalleryError::WrongLength {
                path: path.to_owned(),
                expected: file_bytes,
                found: file.len() as u64,
            });
        }
        let sections = decode_sections(&checked[HEADER_BYTES..], file, length, path)?;
        let rows = usize::try_from(rows).map_err(|_| malformed(format!("{rows} rows")))?;
        let identity = EmbedderIdentity { digest, dims: dims as usize, metric };
        Ok(Self { generation, identity, rows, file_bytes: file.len(), sections })
    }
}

fn decode_sections(table: &[u8], file: &[u8], header_length: usize, path: &Path) -> Result<Vec<Section>, GalleryError> {
    let mut sections: Vec<Section> = Vec::with_capacity(table.len() / SECTION_BYTES);
    let mut end = header_length;
    for entry in table.chunks_exact(SECTION_BYTES) {
        let mut fields = Fields(entry);
        let id = fields.u32();
        fields.skip::<4>();
        let (start, length) = (fields.u64(), fields.u64());
        fields.skip::<8>();
        let mut section = Section { id, bytes: 0..0, checksum: fields.take() };
        let malformed = |reason: &str| GalleryError::malformed(path, &section.name(), reason);
        if sections.iter().any(|other| other.id == id) {
            return Err(malformed("listed twice"));
        }
        let bounds = usize::try_from(start)
            .ok()
            .zip(usize::try_from(length).ok())
            .and_then(|(start, length)| Some(start..start.checked_add(length)?))
            .filter(|bounds| bounds.end <= file.len())
            .ok_or_else(|| malformed("reaches beyond the file"))?;
        if bounds.start != end.next_multiple_of(ALIGNMENT) {
            return Err(malformed("does not follow the part before it"));
        }
        if file[end..bounds.start].iter().any(|byte| *byte != 0) {
            return Err(malformed("bytes before it are not zero"));
        }
        end = bounds.end;
        section.bytes = bounds;
        sections.push(section);
    }
    if end != file.len() {
        return Err(GalleryError::malformed(path, HEADER, "the sections do not reach the end of the file"));
    }
    Ok(sections)
}

/// A string in the strings section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StringRef {
    pub(super) offset: u64,
    pub(super) length: u32,
}

impl StringRef {
    /// Its bytes, when they lie within the section.
    pub(super) fn range(self) -> Option<Range<usize>> {
        let start = usize::try_from(self.offset).ok()?;
        Some(start..start.checked_add(self.length as usize)?)
    }
}

/// ```text
///   0  image name    u64, offset in the strings
///   8  source        u64, offset in the strings
///  16  file size     u64
///  24  file time     i64, nanoseconds since 1970
///  32  file digest   blake3
///  64  image name    u32, length
///  68  source        u32, length
///  72  person        u32, place in the people section
///  76  faces seen    u32
///  80  face box      4 × f32: x, y, width, height
///  96  score         f32
/// 100  quality       f32
/// 104  flags         u32; 1: the file's time was too young to be trusted
/// 108  zero          u32
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowRecord {
    pub(super) image_name: StringRef,
    pub(super) source: StringRef,
    pub(super) file: SourceFile,
    pub(super) person: u32,
    pub(super) faces_seen: u32,
    pub(super) bbox: BoundingBox,
    pub(super) score: f32,
    pub(super) quality: f32,
}

impl RowRecord {
    pub(super) const BYTES: usize = 112;

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.image_name.offset.to_le_bytes());
        out.extend(self.source.offset.to_le_bytes());
        encode_file(&self.file, out);
        out.extend(self.image_name.length.to_le_bytes());
        out.extend(self.source.length.to_le_bytes());
        out.extend(self.person.to_le_bytes());
        out.extend(self.faces_seen.to_le_bytes());
        for edge in <[f32; 4]>::from(self.bbox) {
            out.extend(edge.to_le_bytes());
        }
        out.extend(self.score.to_le_bytes());
        out.extend(self.quality.to_le_bytes());
        out.extend(flags(&self.file).to_le_bytes());
        out.extend([0; 4]);
    }

    /// # Panics
    /// When `record` is shorter than [`Self::BYTES`].
    pub(super) fn decode(record: &[u8]) -> Self {
        let mut fields = Fields(record);
        let (name_offset, source_offset) = (fields.u64(), fields.u64());
        let mut file = fields.file();
        let image_name = StringRef { offset: name_offset, length: fields.u32() };
        let source = StringRef { offset: source_offset, length: fields.u32() };
        let (person, faces_seen) = (fields.u32(), fields.u32());
        let bbox = BoundingBox::new(fields.f32(), fields.f32(), fields.f32(), fields.f32());
        let (score, quality) = (fields.f32(), fields.f32());
        file.settled = is_settled(fields.u32());
        Self { image_name, source, file, person, faces_seen, bbox, score, quality }
    }
}

/// ```text
///  0  name    u64, offset in the strings
///  8  name    u32, length
/// 12  rows    u32
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PersonRecord {
    pub(super) name: StringRef,
    pub(super) rows: u32,
}

impl PersonRecord {
    pub(super) const BYTES: usize = 16;

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.name.offset.to_le_bytes());
        out.extend(self.name.length.to_le_bytes());
        out.extend(self.rows.to_le_bytes());
    }

    /// # Panics
    /// When `record` is shorter than [`Self::BYTES`].
    pub(super) fn decode(record: &[u8]) -> Self {
        let mut fields = Fields(record);
        Self { name: StringRef { offset: fields.u64(), length: fields.u32() }, rows: fields.u32() }
    }
}

/// ```text
///  0  source        u64, offset in the strings
///  8  code          u64, offset in the strings
/// 16  file size     u64
/// 24  file time     i64, nanoseconds since 1970
/// 32  file digest   blake3
/// 64  message       u64, offset in the strings
/// 72  source        u32, length
/// 76  code          u32, length
/// 80  message       u32, length
/// 84  flags         u32; 1: the file's time was too young to be trusted
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SkippedRecord {
    pub(super) source: StringRef,
    pub(super) code: StringRef,
    pub(super) message: StringRef,
    pub(super) file: SourceFile,
}

impl SkippedRecord {
    pub(super) const BYTES: usize = 88;

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.source.offset.to_le_bytes());
        out.extend(self.code.offset.to_le_bytes());
        encode_file(&self.file, out);
        out.extend(self.message.offset.to_le_bytes());
        out.extend(self.source.length.to_le_bytes());
        out.extend(self.code.length.to_le_bytes());
        out.extend(self.message.length.to_le_bytes());
        out.extend(flags(&self.file).to_le_bytes());
    }

    /// # Panics
    /// When `record` is shorter than [`Self::BYTES`].
    pub(super) fn decode(record: &[u8]) -> Self {
        let mut fields = Fields(record);
        let (source_offset, code_offset) = (fields.u64(), fields.u64());
        let mut file = fields.file();
        let message_offset = fields.u64();
        let source = StringRef { offset: source_offset, length: fields.u32() };
        let code = StringRef { offset: code_offset, length: fields.u32() };
        let message = StringRef { offset: message_offset, length: fields.u32() };
        file.settled = is_settled(fields.u32());
        Self { source, code, message, file }
    }
}

/// 48 bytes; whether the file is settled goes into the record's flags.
fn encode_file(file: &SourceFile, out: &mut Vec<u8>) {
    out.extend(file.size.to_le_bytes());
    out.extend(file.modified_ns.to_le_bytes());
    out.extend(file.digest);
}

const FLAG_UNSETTLED: u32 = 1;

fn flags(file: &SourceFile) -> u32 {
    if file.settled { 0 } else { FLAG_UNSETTLED }
}

fn is_settled(flags: u32) -> bool {
    flags & FLAG_UNSETTLED == 0
}

/// Reads the fields of a record one after the other. The record's length is checked before.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("the record is as long as its fields");
        self.0 = rest;
        *field
    }

    fn skip<const N: usize>(&mut self) {
        let _: [u8; N] = self.take();
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn f32(&mut self) -> f32 {
        f32::from_le_bytes(self.take())
    }

    fn file(&mut self) -> SourceFile {
        let (size, modified_ns) = (self.u64(), i64::from_le_bytes(self.take()));
        SourceFile { size, modified_ns, settled: true, digest: self.take() }
    }
}

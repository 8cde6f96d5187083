//! Publishing generations.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use facerecog_kernels::codes::{BLOCK_ROWS, block_lines, encode_block};
use rayon::prelude::*;

use super::durable::{ReplaceError, create_folder, remove_unfinished, replace_file};
use super::format::{self, Header, PersonRecord, RowRecord, Section, SectionKind, SkippedRecord, StringRef};
use super::generation::{self, CURRENT, LOCK, current_generation};
use super::{GalleryError, Row, SkippedRow};
use crate::model::EmbedderIdentity;

/// The one writer of an index folder, until it is dropped.
#[derive(Debug)]
pub struct IndexWriter {
    dir: PathBuf,
    /// Unlocked by the death of the process, too.
    lock: File,
}

impl Drop for IndexWriter {
    fn drop(&mut self) {
        // Closing it is not enough while a process that was just forked off still has a copy.
        let _ = self.lock.unlock();
    }
}

impl IndexWriter {
    /// Makes the folder when there is none, locks it, and removes what a writer that died left
    /// unfinished.
    ///
    /// # Errors
    /// [`GalleryError::Locked`] when another writer is at work; otherwise the folder cannot be
    /// written to.
    pub fn lock(dir: &Path) -> Result<Self, GalleryError> {
        create_folder(dir)?;
        let path = dir.join(LOCK);
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(GalleryError::io(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(GalleryError::Locked { path }),
            Err(TryLockError::Error(error)) => return Err(GalleryError::io(&path)(error)),
        }
        remove_unfinished(dir)?;
        Ok(Self { dir: dir.to_owned(), lock })
    }

    /// Writes a generation, makes it the current one, and deletes all but the one before. Returns
    /// its number.
    ///
    /// # Errors
    /// [`GalleryError::NotDurable`] when the new generation is the current one, but a power cut may
    /// undo that. After any other error the old generation is the current one:
    /// [`GalleryError::InvalidRow`] for an embedding of another length than `identity.dims` or with
    /// numbers that are not finite; otherwise the file that could not be written.
    pub fn publish(
        &self,
        identity: &EmbedderIdentity,
        rows: &[Row<'_>],
        skipped: &[SkippedRow<'_>],
    ) -> Result<u64, GalleryError> {
        let tables = Tables::new(identity, rows, skipped)?;
        // A broken CURRENT must not be in the way of the generation that replaces it.
        let previous = current_generation(&self.dir).ok().flatten();
        let there: Vec<u64> = generation::list(&self.dir)?.into_iter().map(|(generation, _)| generation).collect();
        let generation = there.iter().copied().chain(previous).max().map_or(1, |latest| latest + 1);
        if let Some(current) = previous {
            // What publications left that failed on a full disk must not fill it further.
            let before = there.into_iter().filter(|generation| *generation < current).max();
            self.remove_all_but(&[previous, before]);
        }

        let name = generation::file_name(generation);
        replace_file(&self.dir, &name, |file| write_generation(file, generation, identity, rows, &tables)).map_err(
            |error| match error {
                ReplaceError::NotReplaced(error) => error,
                ReplaceError::NotDurable(source) => GalleryError::io(&self.dir)(source),
            },
        )?;
        replace_file(&self.dir, CURRENT, |file| writeln!(file, "{name}")).map_err(|error| match error {
            ReplaceError::NotReplaced(error) => error,
            ReplaceError::NotDurable(source) => GalleryError::NotDurable { dir: self.dir.clone(), generation, source },
        })?;
        self.remove_all_but(&[Some(generation), previous]);
        Ok(generation)
    }

    /// The generation before stays: a reader may have read `CURRENT` and not yet opened the file.
    fn remove_all_but(&self, keep: &[Option<u64>]) {
        let stale = match generation::list(&self.dir) {
            Ok(generations) => generations.into_iter().filter(|(generation, _)| !keep.contains(&Some(*generation))),
            Err(error) => return tracing::warn!(%error, "old generations were not deleted"),
        };
        for (_, path) in stale {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an old generation was not deleted");
            }
        }
    }
}

/// Every section but the embeddings and their codes, as bytes.
struct Tables {
    rows: Vec<u8>,
    people: Vec<u8>,
    skipped: Vec<u8>,
    strings: Vec<u8>,
}

impl Tables {
    fn new(identity: &EmbedderIdentity, rows: &[Row<'_>], skipped: &[SkippedRow<'_>]) -> Result<Self, GalleryError> {
        let mut strings = StringTable::default();
        let mut people: BTreeMap<&str, PersonRecord> = BTreeMap::new();
        for row in rows {
            check(row, identity)?;
            match people.get_mut(row.person) {
                Some(person) => person.rows += 1,
                None => {
                    let name = strings.add(row.source, row.person)?;
                    people.insert(row.person, PersonRecord { name, rows: 1 });
                }
            }
        }
        let person_numbers: HashMap<&str, u32> = people.keys().zip(0..).map(|(name, number)| (*name, number)).collect();

        let mut row_table = Vec::with_capacity(rows.len() * RowRecord::BYTES);
        for row in rows {
            let source = strings.add(row.source, row.source)?;
            let image_name = match row.source.strip_suffix(row.image_name) {
                Some(folder) => StringRef {
                    offset: source.offset + folder.len() as u64,
                    length: source.length - folder.len() as u32,
                },
                None => strings.add(row.source, row.image_name)?,
            };
            let record = RowRecord {
                image_name,
                source,
                file: row.file,
                person: person_numbers[row.person],
                faces_seen: row.faces_seen,
                bbox: row.bbox,
                score: row.score,
                quality: row.quality,
            };
            record.encode(&mut row_table);
        }

        let mut skipped_table = Vec::with_capacity(skipped.len() * SkippedRecord::BYTES);
        let mut known: HashMap<&str, StringRef> = HashMap::new();
        for photo in skipped {
            let source = strings.add(photo.source, photo.source)?;
            let mut add_once = |text| {
                if let Some(at) = known.get(text) {
                    return Ok(*at);
                }
                let at = strings.add(photo.source, text)?;
                known.insert(text, at);
                Ok(at)
            };
            let (code, message) = (add_once(photo.code)?, add_once(photo.message)?);
            SkippedRecord { source, code, message, file: photo.file }.encode(&mut skipped_table);
        }

        let mut people_table = Vec::with_capacity(people.len() * PersonRecord::BYTES);
        people.values().for_each(|person| person.encode(&mut people_table));
        Ok(Self { rows: row_table, people: people_table, skipped: skipped_table, strings: strings.bytes })
    }
}

fn check(row: &Row<'_>, identity: &EmbedderIdentity) -> Result<(), GalleryError> {
    let invalid = |reason| Err(GalleryError::InvalidRow { source_path: row.source.to_owned(), reason });
    if row.embedding.len() != identity.dims {
        return invalid(format!("its embedding has {} numbers, not {}", row.embedding.len(), identity.dims));
    }
    if !row.embedding.iter().all(|value| value.is_finite()) {
        return invalid("its embedding holds a number that is not finite".into());
    }
    Ok(())
}

#[derive(Default)]
struct StringTable {
    bytes: Vec<u8>,
}

impl StringTable {
    fn add(&mut self, source: &str, text: &str) -> Result<StringRef, GalleryError> {
        let offset = self.bytes.len() as u64;
        let length = u32::try_from(text.len()).map_err(|_| GalleryError::InvalidRow {
            source_path: source.to_owned(),
            reason: format!("a text of {} bytes", text.len()),
        })?;
        self.bytes.extend(text.as_bytes());
        Ok(StringRef { offset, length })
    }
}

fn write_generation(
    file: &mut File,
    generation: u64,
    identity: &EmbedderIdentity,
    rows: &[Row<'_>],
    tables: &Tables,
) -> io::Result<()> {
    // The header holds the checksums of what follows it, so that it is written last.
    let mut sections = Vec::new();
    let mut end = format::first_section(SectionKind::ALL.len());
    for kind in SectionKind::ALL {
        let start = end.next_multiple_of(format::ALIGNMENT);
        file.seek(SeekFrom::Start(start as u64))?;
        let mut out = BufWriter::with_capacity(WRITE_BYTES, Checksummed::new(&mut *file));
        match kind {
            SectionKind::Embeddings => write_embeddings(&mut out, identity.dims, rows)?,
            SectionKind::Rows => out.write_all(&tables.rows)?,
            SectionKind::People => out.write_all(&tables.people)?,
            SectionKind::Skipped => out.write_all(&tables.skipped)?,
            SectionKind::Strings => out.write_all(&tables.strings)?,
            SectionKind::Codes => write_codes(&mut out, identity.dims, rows)?,
        }
        let written = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        end = start + written.length;
        sections.push(Section { id: kind as u32, bytes: start..end, checksum: *written.hasher.finalize().as_bytes() });
    }
    // An empty last section would leave the padding before it unwritten.
    file.set_len(end as u64)?;
    let header = Header { generation, identity: *identity, rows: rows.len(), file_bytes: end, sections };
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header.encode())
}

fn write_embeddings(out: &mut impl Write, dims: usize, rows: &[Row<'_>]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(format::embedding_stride(dims));
    for row in rows {
        bytes.clear();
        bytes.extend(row.embedding.iter().flat_map(|value| value.to_le_bytes()));
        bytes.resize(format::embedding_stride(dims), 0);
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn write_codes(out: &mut impl Write, dims: usize, rows: &[Row<'_>]) -> io::Result<()> {
    let lines = block_lines(dims);
    let mut blocks = Vec::new();
    for rows in rows.chunks(BLOCKS_AT_ONCE * BLOCK_ROWS) {
        blocks.resize(rows.len().div_ceil(BLOCK_ROWS) * lines, [0; format::ALIGNMENT]);
        blocks.par_chunks_exact_mut(lines).zip(rows.par_chunks(BLOCK_ROWS)).for_each(|(block, rows)| {
            let mut embeddings: [&[f32]; BLOCK_ROWS] = [&[]; BLOCK_ROWS];
            embeddings.iter_mut().zip(rows).for_each(|(embedding, row)| *embedding = row.embedding);
            encode_block(&embeddings[..rows.len()], dims, block);
        });
        out.write_all(blocks.as_flattened())?;
    }
    Ok(())
}

/// Coded in parallel before they are written: some MB for embeddings of 128 numbers.
const BLOCKS_AT_ONCE: usize = 1024;

/// Written at once: enough for blake3 to use its widest instructions.
const WRITE_BYTES: usize = 256 << 10;

/// Passes on what is written and keeps its checksum.
struct Checksummed<'a> {
    file: &'a mut File,
    hasher: blake3::Hasher,
    length: usize,
}

impl<'a> Checksummed<'a> {
    fn new(file: &'a mut File) -> Self {
        Self { file, hasher: blake3::Hasher::new(), length: 0 }
    }
}

impl Write for Checksummed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

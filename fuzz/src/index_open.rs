//! A file in an index folder that somebody else wrote: refused, or read without a panic.

use std::fs;
use std::path::Path;

use facerecog_engine::gallery::{Gallery, Verify, verify};

/// Offsets of an index file, see `engine/src/gallery/format.rs`.
const SECTIONS_AT: usize = 20;
const GENERATION_AT: usize = 24;
const HEADER_BYTES: usize = 96;
const SECTION_BYTES: usize = 64;

/// Opens `bytes` as an index in `folder`: as they are, and with every checksum put right, as someone
/// would who wants the file to be opened.
pub fn index_open(bytes: &[u8], folder: &Path) {
    open(bytes, folder);
    let mut signed = bytes.to_vec();
    if sign(&mut signed).is_some() {
        open(&signed, folder);
    }
}

fn open(bytes: &[u8], folder: &Path) {
    let generation = number(bytes, GENERATION_AT).unwrap_or(1);
    let name = format!("gallery.{generation}.idx");
    let file = folder.join(&name);
    fs::write(&file, bytes).expect("a file in the folder");
    fs::write(folder.join("CURRENT"), name).expect("a file in the folder");
    let verified = verify(folder);
    for depth in [Verify::Header, Verify::Full] {
        let opened = Gallery::open_any_embedder(folder, depth);
        if depth == Verify::Full {
            assert_eq!(opened.is_ok(), verified.is_ok(), "{opened:?}, {verified:?}");
        }
        if let Ok(gallery) = opened {
            read_everything(&gallery, bytes.len());
        }
    }
    fs::remove_file(file).expect("the file is still there");
}

/// Uses every accessor, and finds no more than there are bytes for.
fn read_everything(gallery: &Gallery, bytes: usize) {
    let mut texts = 0;
    for row in (0..gallery.rows()).map(|row| gallery.row(row)) {
        assert_eq!(row.embedding.len(), gallery.identity().dims);
        texts += row.image_name.len() + row.person.len() + row.source.len();
    }
    texts += gallery.people().map(|person| person.name.len()).sum::<usize>();
    texts += gallery.skipped().map(|photo| photo.source.len() + photo.code.len() + photo.message.len()).sum::<usize>();
    std::hint::black_box(texts);
    assert!(gallery.rows() + gallery.people().len() + gallery.skipped().len() <= bytes);
    let probe = vec![0.5; gallery.identity().dims];
    for k in [0, 1, 3] {
        for hits in [gallery.search(&probe, k), gallery.best_per_person(&probe, k)] {
            let hits = hits.expect("a probe of the right length");
            assert!(hits.len() <= k && hits.iter().all(|hit| hit.row < gallery.rows()));
        }
    }
    gallery.search(&probe[1..], 1).expect_err("a probe of another length");
}

/// Puts every checksum right; `None` when the section table is not all there.
fn sign(bytes: &mut [u8]) -> Option<()> {
    let sections = u32::from_le_bytes(bytes.get(SECTIONS_AT..SECTIONS_AT + 4)?.try_into().ok()?) as usize;
    let checksum_at = HEADER_BYTES.checked_add(sections.checked_mul(SECTION_BYTES)?)?;
    bytes.get(checksum_at..checksum_at.checked_add(blake3::OUT_LEN)?)?;
    for entry in (HEADER_BYTES..checksum_at).step_by(SECTION_BYTES) {
        let start = usize::try_from(number(bytes, entry + 8)?).ok()?;
        let length = usize::try_from(number(bytes, entry + 16)?).ok()?;
        if let Some(section) = start.checked_add(length).and_then(|end| bytes.get(start..end)) {
            let checksum = blake3::hash(section);
            bytes[entry + 32..entry + SECTION_BYTES].copy_from_slice(checksum.as_bytes());
        }
    }
    let checksum = blake3::hash(&bytes[..checksum_at]);
    bytes[checksum_at..checksum_at + blake3::OUT_LEN].copy_from_slice(checksum.as_bytes());
    Some(())
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

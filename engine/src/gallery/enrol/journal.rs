//! What an enrolment has finished so far, so that one that was killed goes on where it ended.
//!
//! ```text
//! magic, 8 bytes, and the digest of the embedder, 32 bytes
//! records: length of the payload (u32), blake3 of the payload (its first 16 bytes), the payload
//! payload of a face:    1, digest of the content (32), box (4 × f32), score, quality (f32),
//!                       faces seen (u32), the embedding (dims × f32)
//! payload of a refusal: 2, digest of the content (32), length of the code (u16), code, message
//! ```
//!
//! Numbers are little-endian. Records are only ever appended. Nothing after the first that is torn or
//! damaged is believed. The journal saves work and nothing else: whatever is wrong with it is logged, and
//! the photos are embedded.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

use super::{EnrolRefusal, EnrolledFace};
use crate::BoundingBox;
use crate::embed::Embedding;
use crate::model::EmbedderIdentity;

/// Name in the index folder.
const FILE: &str = "ENROLMENT";
const MAGIC: [u8; 8] = *b"FRENROL1";
const HEADER: u64 = 8 + 32;
/// Length and checksum.
const RECORD_HEAD: usize = 4 + CHECKSUM;
const CHECKSUM: usize = 16;
/// More than any record: 16,000 numbers.
const LONGEST_RECORD: usize = 64 << 10;
/// Where the journal stops growing, and how much of it is read: 900,000 photos of 128 numbers. The photos
/// beyond are embedded again after a kill.
const LONGEST: u64 = 512 << 20;

const FACE: u8 = 1;
const REFUSAL: u8 = 2;

/// What the embedder answered.
pub(super) type Answer = Result<EnrolledFace, EnrolRefusal>;

/// The journal of an index folder. The caller holds the writer's lock.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    identity: EmbedderIdentity,
    finished: HashMap<[u8; 32], Answer>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nothing was appended yet; this much of the file is sound.
    Read(u64),
    /// Appended to, and this long.
    Open(File, u64),
    /// Given up.
    Closed,
}

impl Journal {
    /// Reads what an enrolment with the embedder `identity` left behind in `dir`.
    pub(super) fn open(dir: &Path, identity: &EmbedderIdentity) -> Self {
        let path = dir.join(FILE);
        let (finished, sound) = read(&path, identity).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "photos finished by an enrolment that was broken off are embedded again");
            }
            Default::default()
        });
        Self { path, identity: *identity, finished, state: Mutex::new(State::Read(sound)) }
    }

    /// Removes what is in `dir`, and begins anew.
    pub(super) fn anew(dir: &Path, identity: &EmbedderIdentity) -> Self {
        let path = dir.join(FILE);
        remove(&path);
        Self { path, identity: *identity, finished: HashMap::new(), state: Mutex::new(State::Read(0)) }
    }

    /// What the embedder answered to this content before the kill.
    pub(super) fn finished(&self, digest: &[u8; 32]) -> Option<&Answer> {
        self.finished.get(digest)
    }

    /// Notes what the embedder answered to this content.
    pub(super) fn append(&self, digest: &[u8; 32], answer: &Answer) {
        let Some(record) = encode(digest, answer) else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.write(&mut state, &record) {
            tracing::warn!(path = %self.path.display(), %error, "an enrolment that is broken off now will begin anew");
            *state = State::Closed;
        }
    }

    /// Removes the file: what it says is in the index, or of no use.
    pub(super) fn remove(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Closed;
        remove(&self.path);
    }

    fn write(&self, state: &mut State, record: &[u8]) -> io::Result<()> {
        if let State::Read(sound) = *state {
            let (file, length) = self.open_at(sound)?;
            *state = State::Open(file, length);
        }
        let State::Open(file, length) = state else { return Ok(()) };
        if *length + record.len() as u64 > LONGEST {
            *state = State::Closed;
            return Ok(());
        }
        // One write a record. It is not synced: a power cut may cost the last photos their records, not
        // more. A write that failed leaves a torn record, and nothing may follow one.
        file.write_all(record)?;
        *length += record.len() as u64;
        Ok(())
    }

    /// The file, ready to be written after its first `sound` bytes.
    fn open_at(&self, sound: u64) -> io::Result<(File, u64)> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(false).custom_flags(flags).open(&self.path)?;
        file.set_len(sound)?;
        file.seek(SeekFrom::Start(sound))?;
        if sound > 0 {
            return Ok((file, sound));
        }
        file.write_all(&MAGIC)?;
        file.write_all(&self.identity.digest)?;
        Ok((file, HEADER))
    }
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "the journal of an enrolment was not removed");
        }
        _ => {}
    }
}

/// The records of a journal, and up to where it is sound; nothing of another embedder's.
fn read(path: &Path, identity: &EmbedderIdentity) -> io::Result<(HashMap<[u8; 32], Answer>, u64)> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut input = BufReader::new(file.take(LONGEST));
    let mut header = [0; HEADER as usize];
    if !read_all(&mut input, &mut header)? || header[..8] != MAGIC || header[8..] != identity.digest {
        return Ok(Default::default());
    }
    let mut finished = HashMap::new();
    let mut sound = HEADER;
    let mut head = [0; RECORD_HEAD];
    let mut payload = Vec::new();
    while read_all(&mut input, &mut head)? {
        let (length, checksum) = head.split_at(4);
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if length > LONGEST_RECORD {
            break;
        }
        payload.resize(length, 0);
        if !read_all(&mut input, &mut payload)? || blake3::hash(&payload).as_bytes()[..CHECKSUM] != *checksum {
            break;
        }
        let Some((digest, answer)) = decode(&payload, identity) else { break };
        finished.insert(digest, answer);
        sound += (RECORD_HEAD + length) as u64;
    }
    Ok((finished, sound))
}

/// Whether there was enough to fill `bytes`.
fn read_all(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// `None` when it would be too long to be read again.
fn encode(digest: &[u8; 32], answer: &Answer) -> Option<Vec<u8>> {
    let mut payload = Vec::new();
    payload.push(if answer.is_ok() { FACE } else { REFUSAL });
    payload.extend(digest);
    match answer {
        Ok(face) => {
            let bbox: [f32; 4] = face.bbox.into();
            for number in bbox.into_iter().chain([face.score, face.quality]) {
                payload.extend(number.to_le_bytes());
            }
            payload.extend(face.faces_seen.to_le_bytes());
            payload.extend(face.embedding.values().iter().flat_map(|value| value.to_le_bytes()));
        }
        Err(refusal) => {
            payload.extend(u16::try_from(refusal.code.len()).ok()?.to_le_bytes());
            payload.extend(refusal.code.as_bytes());
            payload.extend(refusal.message.as_bytes());
        }
    }
    if payload.len() > LONGEST_RECORD {
        return None;
    }
    let mut record = Vec::with_capacity(RECORD_HEAD + payload.len());
    record.extend((payload.len() as u32).to_le_bytes());
    record.extend(&blake3::hash(&payload).as_bytes()[..CHECKSUM]);
    record.extend(payload);
    Some(record)
}

fn decode(payload: &[u8], identity: &EmbedderIdentity) -> Option<([u8; 32], Answer)> {
    let (&kind, rest) = payload.split_first()?;
    let (&digest, rest) = rest.split_first_chunk::<32>()?;
    let answer = match kind {
        FACE => Ok(decode_face(rest, identity)?),
        REFUSAL => {
            let (&length, rest) = rest.split_first_chunk::<2>()?;
            let (code, message) = rest.split_at_checked(u16::from_le_bytes(length).into())?;
            let text = |bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
            Err(EnrolRefusal { code: text(code)?, message: text(message)? })
        }
        _ => return None,
    };
    Some((digest, answer))
}

fn decode_face(bytes: &[u8], identity: &EmbedderIdentity) -> Option<EnrolledFace> {
    let (words, rest) = bytes.as_chunks::<4>();
    let (&[x, y, width, height, score, quality, faces_seen], embedding) = words.split_first_chunk::<7>()?;
    if !rest.is_empty() || embedding.len() != identity.dims {
        return None;
    }
    let number = |word| f32::from_le_bytes(word);
    let embedding: Vec<f32> = embedding.iter().copied().map(number).collect();
    embedding.iter().all(|value| value.is_finite()).then_some(())?;
    Some(EnrolledFace {
        // As it was: a second normalisation could change its last bits.
        embedding: Embedding::prepared(embedding),
        bbox: BoundingBox::from([x, y, width, height].map(number)),
        score: number(score),
        quality: number(quality),
        fault: None,
        faces_seen: u32::from_le_bytes(faces_seen),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::Metric;

    const IDENTITY: EmbedderIdentity = EmbedderIdentity { digest: [9; 32], dims: 2, metric: Metric::Cosine };

    fn face(number: u8) -> Answer {
        Ok(EnrolledFace {
            embedding: Embedding::new(vec![f32::from(number) + 1.0, 0.5], Metric::Cosine),
            bbox: BoundingBox::new(-1.5, 2.0, 30.0, 40.0),
            score: 0.9,
            quality: 0.8,
            fault: None,
            faces_seen: 3,
        })
    }

    fn refusal() -> Answer {
        Err(EnrolRefusal { code: "no_face".into(), message: "no face – none".into() })
    }

    /// A journal of the faces 0, 1, 2 and a refusal, number 3.
    fn filled(dir: &Path) -> Vec<u8> {
        let journal = Journal::open(dir, &IDENTITY);
        for number in 0..3 {
            journal.append(&[number; 32], &face(number));
        }
        journal.append(&[3; 32], &refusal());
        std::fs::read(dir.join(FILE)).unwrap()
    }

    fn finished(dir: &Path) -> usize {
        Journal::open(dir, &IDENTITY).finished.len()
    }

    #[test]
    fn what_was_appended_is_read_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        let journal = Journal::open(dir.path(), &IDENTITY);
        assert_eq!(journal.finished(&[1; 32]), Some(&face(1)));
        assert_eq!(journal.finished(&[3; 32]), Some(&refusal()));
        assert_eq!(journal.finished(&[4; 32]), None);
        journal.append(&[4; 32], &face(4));
        assert_eq!(finished(dir.path()), 5);
        journal.remove();
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn cut_off_anywhere_it_keeps_what_is_whole_and_can_be_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let whole = filled(dir.path());
        for length in 0..whole.len() {
            std::fs::write(dir.path().join(FILE), &whole[..length]).unwrap();
            let before = finished(dir.path());
            assert!(before < 4);
            Journal::open(dir.path(), &IDENTITY).append(&[7; 32], &face(7));
            let journal = Journal::open(dir.path(), &IDENTITY);
            assert_eq!(journal.finished.len(), before + 1, "cut to {length} bytes");
            assert_eq!(journal.finished(&[7; 32]), Some(&face(7)));
        }
    }

    #[test]
    fn a_flipped_byte_never_changes_an_answer() {
        let dir = tempfile::tempdir().unwrap();
        let whole = filled(dir.path());
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(dir.path().join(FILE), damaged).unwrap();
            let journal = Journal::open(dir.path(), &IDENTITY);
            assert!(journal.finished.len() < 4, "byte {at}");
            for (digest, answer) in &journal.finished {
                let expected = if digest[0] == 3 { refusal() } else { face(digest[0]) };
                assert_eq!((answer, *digest), (&expected, [digest[0]; 32]), "byte {at}");
            }
        }
    }

    #[test]
    fn another_embedder_s_answers_are_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        let other = EmbedderIdentity { digest: [8; 32], ..IDENTITY };
        let journal = Journal::open(dir.path(), &other);
        assert_eq!(journal.finished.len(), 0);
        journal.append(&[1; 32], &face(1));
        assert_eq!((finished(dir.path()), Journal::open(dir.path(), &other).finished.len()), (0, 1));
    }

    #[test]
    fn a_place_that_cannot_be_written_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(FILE)).unwrap();
        let journal = Journal::open(dir.path(), &IDENTITY);
        journal.append(&[1; 32], &face(1));
        journal.append(&[2; 32], &face(2));
        journal.remove();
        assert_eq!(finished(dir.path()), 0);
    }
}

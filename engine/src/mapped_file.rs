//! Files as memory: the index, and networks that are not inside this library. The only unsafe code of this crate.

use std::fs::File;
use std::io;
use std::ops::Range;

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;

/// A file mapped for reading, or nothing.
#[derive(Debug)]
pub(crate) struct Mapping(Option<Mmap>);

impl Mapping {
    /// Maps the whole of `file`.
    pub(crate) fn open(file: &File) -> io::Result<Self> {
        // SAFETY: the bytes must not change while they are mapped. Generations of the index are
        // immutable: a writer fills them under another name, renames them once and never touches
        // them again, and deleting one leaves mapped pages alone. Networks are brought into their
        // folder in the same way. Someone who edits such a file in place breaks that promise;
        // nothing here trusts the bytes for memory safety (each access is bounds-checked and
        // strings are validated when they are read), and a file cut short ends the process with
        // SIGBUS, as with every mapped file.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self(Some(map)))
    }

    /// No bytes at all.
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Asks for large pages where the bytes of `range`, which ends within the file, have yet to be read: going through
    /// all of them is a third faster than through pages that were read in one by one. What the system cannot do is
    /// no error.
    pub(crate) fn will_be_scanned(&self, range: &Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Some(map) = &self.0
            && !range.is_empty()
            && let Err(error) = map.advise_range(Advice::HugePage, range.start, range.len())
        {
            tracing::debug!(%error, "the codes get pages of the usual size");
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }

    /// Gives back the memory of what was read so far; what is asked for again is read from the file again. What the
    /// system cannot do is no error.
    pub(crate) fn was_read(&self) {
        #[cfg(unix)]
        if let Some(map) = &self.0 {
            // SAFETY: the mapping is shared and of a file, and nobody writes through it: pages hold nothing but the
            // file's bytes, and dropped ones are filled from it when they are touched next.
            let advised = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
            if let Err(error) = advised {
                tracing::debug!(%error, "what was read of a file stays in memory");
            }
        }
    }

    /// The bytes of `range` as numbers in the machine's byte order. `range` starts at a multiple of
    /// 4 and ends within the file; none are returned otherwise.
    pub(crate) fn floats(&self, range: Range<usize>) -> &[f32] {
        let bytes = self.bytes().get(range).unwrap_or_default();
        // SAFETY: every bit pattern is an f32, and `align_to` yields only what is aligned.
        let (before, floats, _) = unsafe { bytes.align_to::<f32>() };
        if before.is_empty() { floats } else { &[] }
    }
}

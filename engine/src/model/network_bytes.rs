//! The bytes of a network's file.

use std::io;
use std::ops::Deref;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::mapped_file::Mapping;
use crate::regular_file::open_regular_file;

/// The bytes of a network's file: inside this library, or mapped, so that what weighs hundreds of megabytes is never
/// copied as a whole. A mapped file must not be cut short or written in place, which would end the process with SIGBUS or
/// change what is read; replace it by renaming another, as `models fetch` and `models add` do.
#[derive(Debug)]
pub struct NetworkBytes(Bytes);

#[derive(Debug)]
enum Bytes {
    Inside(&'static [u8]),
    Mapped(Mapping),
}

impl NetworkBytes {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// When it cannot be opened, or is no regular file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let (file, metadata) = open_regular_file(path.as_ref())?;
        let mapping = if metadata.len() == 0 { Mapping::empty() } else { Mapping::open(&file)? };
        Ok(Self(Bytes::Mapped(mapping)))
    }

    /// Bytes of this program.
    pub(super) fn inside(bytes: &'static [u8]) -> Self {
        Self(Bytes::Inside(bytes))
    }

    /// Gives back the memory of a mapped file, which is read anew where it is looked at again.
    pub(super) fn were_read(&self) {
        if let Bytes::Mapped(mapping) = &self.0 {
            mapping.was_read();
        }
    }

    /// sha256 of the bytes in lowercase hexadecimal.
    pub fn sha256(&self) -> String {
        Sha256::digest(&**self).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Deref for NetworkBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Inside(bytes) => bytes,
            Bytes::Mapped(mapping) => mapping.bytes(),
        }
    }
}

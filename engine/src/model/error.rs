//! Why a pack could not be found, loaded or run.

use std::path::PathBuf;

/// Why a pack could not be found, loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The manifest could not be read as one.
    #[error("{}: {reason}", .path.display())]
    Manifest {
        /// The manifest's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The manifest has no such pack.
    #[error("no model pack named {name:?}; there are: {known}")]
    UnknownPack {
        /// The name asked for.
        name: String,
        /// The packs there are.
        known: String,
    },
    /// A file of the pack is in none of the model folders.
    #[error("{file} of pack {pack:?} was not found in {searched}; fetch it with: recognizer models fetch {pack}")]
    MissingFile {
        /// The pack.
        pack: String,
        /// The file.
        file: String,
        /// Where it was looked for.
        searched: String,
    },
    /// A file of the pack could not be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file's content is not the one that the manifest names.
    #[error("{}: sha256 is {actual}, the manifest says {expected}; fetch it again", .path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// sha256 of the file.
        actual: String,
        /// sha256 in the manifest.
        expected: String,
    },
    /// A pack is to run in int8, and what its layers read is not known.
    #[error("{}: no such file, and pack {pack:?} cannot run in int8 without; make it from photos of yours with: \
             recognizer models calibrate {pack} PHOTOS", .path.display())]
    MissingRanges {
        /// The pack.
        pack: String,
        /// Where the file was looked for.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("{}: could not be written: {source}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A network lacks an output that its decoder reads.
    #[error("{network}: no output named {output:?}; it has: {outputs}")]
    MissingOutput {
        /// The network's file.
        network: String,
        /// The output that is needed.
        output: String,
        /// The outputs it has.
        outputs: String,
    },
    /// A network gave an output of another shape than the manifest or its decoder says.
    #[error("{network}: an output has the shape {actual:?}, expected {expected}")]
    WrongShape {
        /// The network's file.
        network: String,
        /// Shape of the output.
        actual: Vec<usize>,
        /// What it should be.
        expected: String,
    },
    /// A network could not be parsed, or failed while it ran.
    #[error("{network}: {reason}")]
    Network {
        /// The network's file.
        network: String,
        /// What our kernels or tract said.
        reason: String,
    },
}

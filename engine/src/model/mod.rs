//! Packs of networks and the manifest that describes them.

use std::path::PathBuf;

use crate::embed::Metric;

/// A detector and an embedder that belong together, as the manifest describes them.
#[derive(Debug, Clone)]
pub struct Pack {
    name: String,
}

impl Pack {
    /// The pack inside this library: MTCNN and dlib's face recognition network.
    pub fn builtin() -> Self {
        Self { name: "builtin".into() }
    }

    /// Name in the manifest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a gallery must have been written with to be searched by this pack.
    pub fn embedder_identity(&self) -> EmbedderIdentity {
        todo!()
    }
}

/// Which embeddings can be compared with which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedderIdentity {
    /// blake3 of everything that decides an embedding: network, input scaling, template, metric.
    pub digest: [u8; 32],
    /// Numbers in an embedding.
    pub dims: usize,
    /// How two are compared.
    pub metric: Metric,
}

/// Why a network could not be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The manifest has no such pack.
    #[error("no model pack named {name:?}; there are: {known}")]
    UnknownPack {
        /// The name asked for.
        name: String,
        /// The packs there are.
        known: String,
    },
    /// A file of the pack is in none of the model folders.
    #[error("{file}: not found in {}; fetch it with: recognizer models fetch {pack}", .searched.display())]
    MissingFile {
        /// The pack.
        pack: String,
        /// The file.
        file: String,
        /// The folder that was searched.
        searched: PathBuf,
    },
    /// A network failed while it ran.
    #[error("{network}: {reason}")]
    Network {
        /// Its file.
        network: String,
        /// What the engine said.
        reason: String,
    },
}

//! Packs of networks and the manifest that describes them.

mod decision;
mod error;
mod fused;
mod manifest;
mod network;
#[cfg(test)]
mod onnxruntime_parity;
mod pack;
mod prelu;
mod tract;

pub use decision::{Decision, Logistic};
pub use error::ModelError;
pub use manifest::{Channels, Decoder, DetectorEntry, EmbedderEntry, Manifest, ModelFile, PackEntry};
pub(crate) use network::{Network, Output};
pub use pack::{EmbedderIdentity, Pack};

/// Name of the pack inside this library.
pub const BUILTIN: &str = "builtin";

//! Packs of networks and the manifest that describes them.

mod calibration;
mod decision;
mod error;
mod error_rates;
mod examination;
mod explanation;
mod fused;
mod manifest;
mod network;
mod network_bytes;
mod onnx_file;
#[cfg(test)]
mod onnxruntime_parity;
mod pack;
mod prelu;
mod tract;

pub use calibration::{Calibration, Recorder};
pub use decision::{
    DEFAULT_COMPARISON_RATE, DEFAULT_SEARCH_RATE, Decision, DecisionError, DecisionRule, Logistic, SearchDecision,
};
pub use error::ModelError;
pub use error_rates::{ErrorRates, Extrapolation, OperatingPoint};
pub use examination::{EmbedderInput, ExaminedEmbedder, examine_embedder};
pub use explanation::Explanation;
pub use facerecog_kernels::network::{Layer, Precision, Ranges};
pub use manifest::{Channels, Decoder, DetectorEntry, EmbedderEntry, LandmarksEntry, Manifest, ModelFile, PackEntry};
pub use network::{Network, Output};
pub use network_bytes::NetworkBytes;
pub use pack::{EmbedderIdentity, Pack};

/// Name of the pack inside this library.
pub const BUILTIN: &str = "builtin";

//! A pack: a detector and an embedder that belong together, with the bytes of their networks.

use std::borrow::Cow;
use std::sync::Arc;

use super::manifest::{EmbedderEntry, Manifest, PackEntry};
use super::{Decision, Network};
use crate::embed::Metric;
use crate::model::ModelError;

/// A network's file and its bytes.
pub(crate) struct NetworkFile {
    pub(crate) file: String,
    pub(crate) onnx: Cow<'static, [u8]>,
}

/// A detector and an embedder that belong together, as the manifest describes them, with the bytes
/// of their networks. Cheap to clone.
#[derive(Clone)]
pub struct Pack {
    name: String,
    entry: Arc<PackEntry>,
    detector: Arc<[NetworkFile]>,
    embedder: Arc<NetworkFile>,
    identity: EmbedderIdentity,
}

impl Pack {
    /// The pack inside this library: MTCNN and dlib's face recognition network.
    pub fn builtin() -> Self {
        Manifest::builtin().pack(super::BUILTIN, None).expect("the built-in pack is complete; a test holds it to that")
    }

    pub(super) fn new(name: &str, entry: &PackEntry, detector: Vec<NetworkFile>, embedder: NetworkFile) -> Self {
        let identity = identity(&entry.embedder, &embedder.onnx);
        Self {
            name: name.to_owned(),
            entry: Arc::new(entry.clone()),
            detector: detector.into(),
            embedder: Arc::new(embedder),
            identity,
        }
    }

    /// Name in the manifest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the manifest says of this pack.
    pub fn entry(&self) -> &PackEntry {
        &self.entry
    }

    /// The pack's threshold and its probabilities.
    pub fn decision(&self) -> &Decision {
        &self.entry.decision
    }

    /// What a gallery must have been written with to be searched by this pack.
    pub fn embedder_identity(&self) -> EmbedderIdentity {
        self.identity
    }

    pub(crate) fn detector_networks(&self) -> Result<Vec<Network>, ModelError> {
        self.detector.iter().map(|network| Network::parse(&network.file, &network.onnx)).collect()
    }

    pub(crate) fn embedder_network(&self) -> Result<Network, ModelError> {
        Network::parse(&self.embedder.file, &self.embedder.onnx)
    }
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pack").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Which embeddings can be compared with which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedderIdentity {
    /// blake3 of everything that decides an embedding: network, input scaling, template, metric.
    pub digest: [u8; 32],
    /// Numbers in an embedding.
    pub dims: usize,
    /// How two are compared.
    pub metric: Metric,
}

/// The template counts too: the same network fed with another alignment gives other embeddings.
fn identity(embedder: &EmbedderEntry, onnx: &[u8]) -> EmbedderIdentity {
    let mut hasher = blake3::Hasher::new();
    hasher.update(onnx);
    hasher.update(&embedder.input_side.to_le_bytes());
    hasher.update(&[embedder.channels as u8, embedder.metric as u8]);
    let template = embedder.template.iter().flat_map(|&point| <[f32; 2]>::from(point));
    for number in embedder.mean.iter().chain(&embedder.scale).copied().chain(template) {
        hasher.update(&number.to_le_bytes());
    }
    EmbedderIdentity { digest: *hasher.finalize().as_bytes(), dims: embedder.dims, metric: embedder.metric }
}

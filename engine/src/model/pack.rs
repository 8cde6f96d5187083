//! A pack: a detector and an embedder that belong together, with the bytes of their networks.

use std::sync::Arc;

use facerecog_kernels::network::{Precision, Ranges};

use super::calibration::{Calibration, Recorder};
use super::manifest::{Manifest, ModelFile, PackEntry};
use super::{Decision, Network, NetworkBytes};
use crate::align::{Fit, ShapePredictor};
use crate::embed::Metric;
use crate::model::ModelError;

/// A network's file and its bytes.
pub(crate) struct NetworkFile {
    file: String,
    /// sha256 of the content, in lowercase hexadecimal.
    sha256: String,
    onnx: NetworkBytes,
}

impl NetworkFile {
    pub(super) fn new(entry: &ModelFile, onnx: NetworkBytes) -> Self {
        Self { file: entry.file.clone(), sha256: entry.sha256.to_ascii_lowercase(), onnx }
    }
}

/// A detector and an embedder that belong together, as the manifest describes them, with the bytes
/// of their networks. Cheap to clone.
#[derive(Clone)]
pub struct Pack {
    name: String,
    entry: Arc<PackEntry>,
    detector: Arc<[NetworkFile]>,
    embedder: Arc<NetworkFile>,
    landmarks: Option<Arc<NetworkFile>>,
    calibration: Arc<Calibration>,
    recorder: Option<Arc<Recorder>>,
    identity: EmbedderIdentity,
}

impl Pack {
    /// The pack inside this library: MTCNN and dlib's face recognition network.
    pub fn builtin() -> Self {
        Manifest::builtin().pack(super::BUILTIN, None).expect("the built-in pack is complete; a test holds it to that")
    }

    pub(super) fn new(
        name: &str,
        entry: &PackEntry,
        detector: Vec<NetworkFile>,
        embedder: NetworkFile,
        landmarks: Option<NetworkFile>,
        calibration: Calibration,
    ) -> Self {
        let identity = identity(entry, &embedder, landmarks.as_ref(), &calibration.ranges(&embedder.sha256));
        Self {
            name: name.to_owned(),
            entry: Arc::new(entry.clone()),
            detector: detector.into(),
            embedder: Arc::new(embedder),
            landmarks: landmarks.map(Arc::new),
            calibration: calibration.into(),
            recorder: None,
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

    /// The same pack, and what gathers the ranges that its networks' layers read from now on. Its precision has to be
    /// f32.
    pub fn recording(self) -> (Self, Arc<Recorder>) {
        let recorder = Arc::<Recorder>::default();
        (Self { recorder: Some(Arc::clone(&recorder)), ..self }, recorder)
    }

    /// The networks of the detector, in its decoder's order.
    ///
    /// # Errors
    /// As [`Network::parse_in`].
    pub fn detector_networks(&self) -> Result<Vec<Network>, ModelError> {
        self.detector.iter().map(|network| self.network(network)).collect()
    }

    /// The network of the embedder.
    ///
    /// # Errors
    /// As [`Network::parse_in`].
    pub fn embedder_network(&self) -> Result<Network, ModelError> {
        self.network(&self.embedder)
    }

    /// The predictor of the embedder's own landmarks, if it has any.
    ///
    /// # Errors
    /// When its file is none.
    pub fn shape_predictor(&self) -> Result<Option<ShapePredictor>, ModelError> {
        let parse = |file: &NetworkFile| {
            ShapePredictor::parse(&file.onnx)
                .map_err(|reason| ModelError::Network { network: file.file.clone(), reason })
        };
        self.landmarks.as_deref().map(parse).transpose()
    }

    fn network(&self, NetworkFile { file, sha256, onnx }: &NetworkFile) -> Result<Network, ModelError> {
        let network = Network::parse_file(file, onnx, self.entry.precision, &self.calibration.ranges(sha256))?;
        match &self.recorder {
            Some(recorder) => network.recording(Arc::clone(recorder), sha256),
            None => Ok(network),
        }
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
    /// blake3 of everything that decides an embedding: network, input scaling, landmarks, template and how it is fitted,
    /// mirror images, metric; precision, and for int8 the ranges of layers, too.
    pub digest: [u8; 32],
    /// Numbers in an embedding.
    pub dims: usize,
    /// How two are compared.
    pub metric: Metric,
}

/// The template counts too: the same network fed with another alignment gives other embeddings.
fn identity(
    entry: &PackEntry,
    network: &NetworkFile,
    landmarks: Option<&NetworkFile>,
    ranges: &Ranges,
) -> EmbedderIdentity {
    let embedder = &entry.embedder;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&network.onnx);
    hasher.update(&embedder.input_side.to_le_bytes());
    hasher.update(&[embedder.channels as u8, embedder.metric as u8]);
    let template = embedder.template.iter().flat_map(|&point| <[f32; 2]>::from(point));
    for number in embedder.mean.iter().chain(&embedder.scale).copied().chain(template) {
        hasher.update(&number.to_le_bytes());
    }
    // What galleries are older than is named only where it is not as it was.
    if embedder.fit == Fit::Crop {
        hasher.update(b"fit in crop");
    }
    if let (Some(file), Some(landmarks)) = (landmarks, &embedder.landmarks) {
        hasher.update(&file.onnx);
        let template = landmarks.template.iter().flat_map(|&point| <[f32; 2]>::from(point));
        for number in <[f32; 4]>::from(landmarks.region).into_iter().chain(template) {
            hasher.update(&number.to_le_bytes());
        }
    }
    if embedder.flip {
        hasher.update(b"flip");
    }
    if entry.precision != Precision::F32 {
        hasher.update(entry.precision.name().as_bytes());
    }
    for (layer, range) in ranges.iter() {
        hasher.update(layer.as_bytes());
        range.iter().for_each(|number| _ = hasher.update(&number.to_le_bytes()));
    }
    EmbedderIdentity { digest: *hasher.finalize().as_bytes(), dims: embedder.dims, metric: embedder.metric }
}

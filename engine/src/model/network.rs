//! One ONNX network, ready to run at whatever input size it is asked for.

use std::sync::Arc;

use facerecog_kernels::network::{Precision, Ranges};

use super::calibration::Recorder;
use super::explanation::Explanation;
use super::fused::FusedNetwork;
use super::onnx_file::OnnxFile;
use super::tract::TractNetwork;
use super::{ModelError, NetworkBytes};

/// An ONNX network with one image input, `[1, 3, height, width]` f32, NCHW.
#[derive(Debug)]
pub struct Network {
    name: String,
    precision: Precision,
    size: Option<[usize; 2]>,
    runner: Runner,
    /// Notes what layers read, and for which network.
    recorder: Option<(Arc<Recorder>, String)>,
}

/// What runs it.
#[derive(Debug)]
enum Runner {
    /// Our kernels, where they know every operation of the network.
    Fused(FusedNetwork),
    /// tract, for all others, and why.
    Tract(Box<TractNetwork>, String),
}

/// An output of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its sides.
    pub shape: Vec<usize>,
    /// Its numbers in row-major order.
    pub values: Vec<f32>,
}

impl Network {
    /// Parses an ONNX file held in memory; `name` is for messages. Products are of f32.
    ///
    /// # Errors
    /// [`ModelError::Network`] when neither our kernels nor tract can read it.
    pub fn parse(name: &str, onnx: &[u8]) -> Result<Self, ModelError> {
        Self::parse_in(name, onnx, Precision::F32, &Ranges::new())
    }

    /// Parses an ONNX file held in memory. [`Precision::Int8`] takes the `ranges` that were recorded for this very
    /// file; the others need none.
    ///
    /// # Errors
    /// As [`parse`](Self::parse). Also when the network cannot run in this precision here: another than f32 takes a CPU
    /// that has it, and a network whose every operation our kernels know.
    pub fn parse_in(name: &str, onnx: &[u8], precision: Precision, ranges: &Ranges) -> Result<Self, ModelError> {
        Self::parse_and_tell(name, onnx, precision, ranges, || {})
    }

    /// Parses a network's file as [`parse_in`](Self::parse_in) does, and gives its memory back as soon as it was read.
    pub(super) fn parse_file(
        name: &str,
        bytes: &NetworkBytes,
        precision: Precision,
        ranges: &Ranges,
    ) -> Result<Self, ModelError> {
        Self::parse_and_tell(name, bytes, precision, ranges, || bytes.were_read())
    }

    fn parse_and_tell(
        name: &str,
        onnx: &[u8],
        precision: Precision,
        ranges: &Ranges,
        read: impl Fn(),
    ) -> Result<Self, ModelError> {
        let file = OnnxFile::parse(onnx).map_err(|reason| failure(name, reason))?;
        let runner = match FusedNetwork::new(&file, precision, ranges, &read) {
            Ok(network) => Runner::Fused(network),
            Err(reason) if precision != Precision::F32 => {
                return Err(failure(name, format!("it cannot run in {}: {reason}", precision.name())));
            }
            Err(reason) => {
                tracing::info!(network = name, %reason, "run by tract");
                let network = TractNetwork::parse(onnx).map_err(|error| failure(name, format!("{error:#}")))?;
                read();
                Runner::Tract(Box::new(network), reason.to_string())
            }
        };
        Ok(Self { name: name.to_owned(), precision, size: file.image_size(), runner, recorder: None })
    }

    /// Parses an ONNX file as [`parse`](Self::parse) does, and leaves it to tract whatever our kernels know.
    ///
    /// # Errors
    /// [`ModelError::Network`] when tract cannot read it.
    pub fn parse_for_tract(name: &str, onnx: &[u8]) -> Result<Self, ModelError> {
        let size = OnnxFile::parse(onnx).map_err(|reason| failure(name, reason))?.image_size();
        let network = TractNetwork::parse(onnx).map_err(|error| failure(name, format!("{error:#}")))?;
        let runner = Runner::Tract(Box::new(network), "tract was asked for".to_owned());
        Ok(Self { name: name.to_owned(), precision: Precision::F32, size, runner, recorder: None })
    }

    /// Why tract runs it; `None` where our kernels do.
    pub fn reason_for_tract(&self) -> Option<&str> {
        match &self.runner {
            Runner::Fused(_) => None,
            Runner::Tract(_, reason) => Some(reason),
        }
    }

    /// Lets it note what its layers read, as those of the network called `key`.
    pub(super) fn recording(self, recorder: Arc<Recorder>, key: &str) -> Result<Self, ModelError> {
        match &self.runner {
            _ if self.precision != Precision::F32 => {
                Err(failure(&self.name, "what layers read is recorded in f32".to_owned()))
            }
            Runner::Fused(_) => Ok(Self { recorder: Some((recorder, key.to_owned())), ..self }),
            Runner::Tract(_, reason) => Err(failure(&self.name, format!("it cannot run in int8: {reason}"))),
        }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Numbers that its products are taken of.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Names of the outputs, in their order.
    pub fn outputs(&self) -> &[String] {
        match &self.runner {
            Runner::Fused(network) => network.outputs(),
            Runner::Tract(network, _) => network.outputs(),
        }
    }

    /// Height and width of the image, where the file fixes them.
    pub fn size(&self) -> Option<[usize; 2]> {
        self.size
    }

    #[cfg(test)]
    pub(super) fn is_fused(&self) -> bool {
        matches!(self.runner, Runner::Fused(_))
    }

    /// The error for an output of another shape than its reader expects.
    pub(crate) fn wrong_shape(&self, output: &Output, expected: impl Into<String>) -> ModelError {
        ModelError::WrongShape { network: self.name.clone(), actual: output.shape.clone(), expected: expected.into() }
    }

    /// The error for a network that is not what its reader takes.
    pub(crate) fn failure(&self, reason: String) -> ModelError {
        failure(&self.name, reason)
    }

    /// Position of the output called `label`.
    pub(crate) fn output_index(&self, label: &str) -> Result<usize, ModelError> {
        let outputs = self.outputs();
        outputs.iter().position(|output| output == label).ok_or_else(|| ModelError::MissingOutput {
            network: self.name.clone(),
            output: label.to_owned(),
            outputs: outputs.join(", "),
        })
    }

    /// Runs one image: `input` holds `3 × height × width` numbers, NCHW.
    ///
    /// # Errors
    /// [`ModelError::Network`] when the network cannot run on images of this size.
    pub fn run(&self, height: usize, width: usize, input: &[f32]) -> Result<Vec<Output>, ModelError> {
        if let Some((recorder, key)) = &self.recorder {
            let mut ranges = Ranges::new();
            let outputs = self.record(height, width, input, &mut ranges)?;
            recorder.widen(key, &self.name, &ranges);
            return Ok(outputs);
        }
        match &self.runner {
            Runner::Fused(network) => network.run(height, width, input).map_err(|error| error.to_string()),
            Runner::Tract(network, _) => network.run(height, width, input).map_err(|error| format!("{error:#}")),
        }
        .map_err(|reason| failure(&self.name, reason))
    }

    /// Runs one image as [`run`](Self::run) does, and widens `ranges` by what its layers read. Its precision has to be
    /// f32.
    ///
    /// # Errors
    /// As [`run`](Self::run), and for a network that our kernels do not run.
    pub fn record(
        &self,
        height: usize,
        width: usize,
        input: &[f32],
        ranges: &mut Ranges,
    ) -> Result<Vec<Output>, ModelError> {
        match &self.runner {
            Runner::Fused(network) => {
                network.record(height, width, input, ranges).map_err(|error| failure(&self.name, error.to_string()))
            }
            Runner::Tract(_, reason) => Err(failure(&self.name, format!("it cannot run in int8: {reason}"))),
        }
    }

    /// What runs it, and the time that each layer takes here on images of one size.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn explain(&self, height: usize, width: usize) -> Result<Explanation, ModelError> {
        match &self.runner {
            Runner::Fused(network) => {
                network.explain(height, width).map_err(|error| failure(&self.name, error.to_string()))
            }
            Runner::Tract(_, reason) => Ok(Explanation::Tract { reason: reason.clone() }),
        }
    }
}

fn failure(network: &str, reason: String) -> ModelError {
    ModelError::Network { network: network.to_owned(), reason }
}

//! One ONNX network, ready to run at whatever input size it is asked for.

use super::ModelError;
use super::fused::FusedNetwork;
use super::tract::TractNetwork;

/// An ONNX network with one image input, `[1, 3, height, width]` f32, NCHW.
#[derive(Debug)]
pub(crate) struct Network {
    name: String,
    runner: Runner,
}

/// What runs it.
#[derive(Debug)]
enum Runner {
    /// Our kernels, where they know every operation of the network.
    Fused(FusedNetwork),
    /// tract, for all others.
    Tract(Box<TractNetwork>),
}

/// An output of a network: its shape and its numbers in row-major order.
#[derive(Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Network {
    /// Parses an ONNX file held in memory.
    pub(crate) fn parse(name: &str, onnx: &[u8]) -> Result<Self, ModelError> {
        let runner = match FusedNetwork::parse(onnx) {
            Ok(network) => Runner::Fused(network),
            Err(reason) => {
                tracing::info!(network = name, %reason, "run by tract");
                Runner::Tract(Box::new(TractNetwork::parse(onnx).map_err(|error| failure(name, format!("{error:#}")))?))
            }
        };
        Ok(Self { name: name.to_owned(), runner })
    }

    #[cfg(test)]
    pub(super) fn is_fused(&self) -> bool {
        matches!(self.runner, Runner::Fused(_))
    }

    /// The error for an output of another shape than its reader expects.
    pub(crate) fn wrong_shape(&self, output: &Output, expected: impl Into<String>) -> ModelError {
        ModelError::WrongShape { network: self.name.clone(), actual: output.shape.clone(), expected: expected.into() }
    }

    /// Position of the output called `label`.
    pub(crate) fn output_index(&self, label: &str) -> Result<usize, ModelError> {
        let outputs = match &self.runner {
            Runner::Fused(network) => network.outputs(),
            Runner::Tract(network) => network.outputs(),
        };
        outputs.iter().position(|output| output == label).ok_or_else(|| ModelError::MissingOutput {
            network: self.name.clone(),
            output: label.to_owned(),
            outputs: outputs.join(", "),
        })
    }

    /// Runs one image: `input` holds `3 × height × width` numbers, NCHW.
    pub(crate) fn run(&self, height: usize, width: usize, input: &[f32]) -> Result<Vec<Output>, ModelError> {
        match &self.runner {
            Runner::Fused(network) => network.run(height, width, input).map_err(|error| error.to_string()),
            Runner::Tract(network) => network.run(height, width, input).map_err(|error| format!("{error:#}")),
        }
        .map_err(|reason| failure(&self.name, reason))
    }
}

fn failure(network: &str, reason: String) -> ModelError {
    ModelError::Network { network: network.to_owned(), reason }
}

//! A network run by our kernels.

mod constant;
mod translate;

use std::cell::RefCell;

use facerecog_kernels::Kernels;
use facerecog_kernels::network::{GraphError, Network, Outputs, Precision, RunError, Workspace};

use super::network::Output;
use translate::{Form, Translation, Untranslatable};

thread_local! {
    /// Memory for maps: a thread runs one network at a time, whatever the photo.
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace::new());
}

/// Why a network is left to tract.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotFused {
    #[error(transparent)]
    Untranslatable(#[from] Untranslatable),
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// A network whose every operation our kernels know.
#[derive(Debug)]
pub(super) struct FusedNetwork {
    network: Network,
    outputs: Vec<String>,
    forms: Vec<Form>,
}

impl FusedNetwork {
    /// Parses an ONNX file held in memory.
    pub(super) fn parse(onnx: &[u8]) -> Result<Self, NotFused> {
        let Translation { graph, outputs } = translate::translate(onnx)?;
        let network = Network::compile(graph, Kernels::chosen().instructions(), Precision::F32)?;
        let (outputs, forms) = outputs.into_iter().unzip();
        Ok(Self { network, outputs, forms })
    }

    /// Names of the outputs, in their order.
    pub(super) fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Runs one image: `input` holds `3 × height × width` numbers, NCHW.
    pub(super) fn run(&self, height: usize, width: usize, input: &[f32]) -> Result<Vec<Output>, RunError> {
        WORKSPACE.with_borrow_mut(|workspace| {
            let outputs = self.network.run(input, [height, width], workspace)?;
            Ok(self.outputs_of(outputs))
        })
    }

    fn outputs_of(&self, outputs: Outputs<'_>) -> Vec<Output> {
        outputs.iter().zip(&self.forms).map(|(output, form)| form.output(output.shape, output.values)).collect()
    }
}

//! A network run by our kernels.

mod constant;
mod translate;

use std::cell::RefCell;

use facerecog_kernels::Kernels;
use facerecog_kernels::network::{GraphError, Network, Outputs, Precision, Ranges, RunError, Workspace};

use super::explanation::Explanation;
use super::network::Output;
use super::onnx_file::OnnxFile;
use translate::{Form, Translation, Untranslatable};

thread_local! {
    /// Memory for maps: a thread runs one network at a time, whatever the photo.
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace::new());
}

/// Runs of which an explanation's times are the least.
const RUNS: usize = 20;

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
    /// Translates an ONNX file. `ranges` are for [`Precision::Int8`] alone. `read` is called when the file is no longer
    /// looked at, before weights are packed.
    pub(super) fn new(
        file: &OnnxFile<'_>,
        precision: Precision,
        ranges: &Ranges,
        read: impl Fn(),
    ) -> Result<Self, NotFused> {
        let Translation { graph, outputs } = translate::translate(file)?;
        read();
        let instructions = Kernels::chosen().instructions();
        let network = match precision {
            Precision::F32 | Precision::Bf16 => Network::compile(graph, instructions, precision)?,
            Precision::Int8 => Network::compile_int8(graph, instructions, ranges)?,
        };
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

    /// Runs one image, and widens `ranges` by what layers read.
    pub(super) fn record(
        &self,
        height: usize,
        width: usize,
        input: &[f32],
        ranges: &mut Ranges,
    ) -> Result<Vec<Output>, RunError> {
        WORKSPACE.with_borrow_mut(|workspace| {
            let outputs = self.network.record(input, [height, width], workspace, ranges)?;
            Ok(self.outputs_of(outputs))
        })
    }

    /// Its layers, and the least time that each took on an image of this size.
    pub(super) fn explain(&self, height: usize, width: usize) -> Result<Explanation, RunError> {
        let size = [height, width];
        // Before memory is taken for an image of any size.
        let mut layers = self.network.explain(size)?;
        // Times do not depend on the image, as long as no number is so small that the CPU slows down.
        let image = vec![0.5; 3 * height * width];
        WORKSPACE.with_borrow_mut(|workspace| {
            for _ in 0..RUNS {
                for (layer, again) in layers.iter_mut().zip(self.network.profile(&image, size, workspace)?) {
                    layer.time = layer.time.into_iter().chain(again.time).min();
                }
            }
            Ok(())
        })?;
        let (map_bytes, weight_bytes) = (self.network.map_bytes(size)?, self.network.weight_bytes());
        Ok(Explanation::Kernels { layers, map_bytes, weight_bytes })
    }

    fn outputs_of(&self, outputs: Outputs<'_>) -> Vec<Output> {
        outputs.iter().zip(&self.forms).map(|(output, form)| form.output(output.shape, output.values)).collect()
    }
}

//! One ONNX network, ready to run at whatever input size it is asked for.

use std::fmt;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use tract_onnx::prelude::*;

use super::ModelError;
use super::prelu::onnx_with_prelu;

type Plan = Arc<TypedRunnableModel>;

/// Plans kept for different input sizes; the least recently used is dropped for a new one, so that
/// photos of ever new sizes cannot grow memory.
const PLANS_KEPT: usize = 24;

/// An ONNX network with one image input, `[1, 3, height, width]` f32, NCHW.
///
/// tract runs fastest on concrete shapes, so each input size gets a plan of its own, made when it
/// is first met.
pub(crate) struct Network {
    name: String,
    graph: InferenceModel,
    outputs: Vec<String>,
    /// Most recently used last.
    plans: Mutex<Vec<((usize, usize), Plan)>>,
}

/// An output of a network: its shape and its numbers in row-major order.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Network {
    /// Parses an ONNX file held in memory.
    pub(crate) fn parse(name: &str, onnx: &[u8]) -> Result<Self, ModelError> {
        let graph = onnx_with_prelu()
            // Exporters write symbols there that do not unify with the concrete shapes asked for.
            .with_ignore_output_shapes(true)
            .with_ignore_value_info(true)
            .model_for_read(&mut Cursor::new(onnx))
            .map_err(|e| failure(name, &e))?;
        let outputs = graph
            .output_outlets()
            .map_err(|e| failure(name, &e))?
            .iter()
            .map(|&outlet| graph.outlet_label(outlet).unwrap_or(&graph.node(outlet.node).name).to_owned())
            .collect();
        Ok(Self { name: name.to_owned(), graph, outputs, plans: Mutex::new(Vec::new()) })
    }

    /// The error for an output of another shape than its reader expects.
    pub(crate) fn wrong_shape(&self, output: &Output, expected: impl Into<String>) -> ModelError {
        ModelError::WrongShape { network: self.name.clone(), actual: output.shape.clone(), expected: expected.into() }
    }

    /// Position of the output called `label`.
    pub(crate) fn output_index(&self, label: &str) -> Result<usize, ModelError> {
        self.outputs.iter().position(|output| output == label).ok_or_else(|| ModelError::MissingOutput {
            network: self.name.clone(),
            output: label.to_owned(),
            outputs: self.outputs.join(", "),
        })
    }

    /// Runs one image: `input` holds `3 × height × width` numbers, NCHW.
    pub(crate) fn run(&self, height: usize, width: usize, input: &[f32]) -> Result<Vec<Output>, ModelError> {
        let plan = self.plan(height, width)?;
        self.run_plan(&plan, height, width, input).map_err(|e| failure(&self.name, &e))
    }

    fn run_plan(&self, plan: &Plan, height: usize, width: usize, input: &[f32]) -> TractResult<Vec<Output>> {
        let input = Tensor::from_shape(&[1, 3, height, width], input)?;
        let outputs = plan.run(tvec!(input.into()))?;
        outputs
            .iter()
            .map(|output| {
                let values = output.to_plain_array_view::<f32>()?.iter().copied().collect();
                Ok(Output { shape: output.shape().to_vec(), values })
            })
            .collect()
    }

    fn plan(&self, height: usize, width: usize) -> Result<Plan, ModelError> {
        let size = (height, width);
        if let Some(plan) = self.kept_plan(size) {
            return Ok(plan);
        }
        // Made outside the lock: other sizes keep running meanwhile; two threads may make the same
        // plan once, and the first to finish is kept.
        let plan = self.make_plan(height, width).map_err(|e| failure(&self.name, &e))?;
        if let Some(plan) = self.kept_plan(size) {
            return Ok(plan);
        }
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() == PLANS_KEPT {
            plans.remove(0);
        }
        plans.push((size, plan.clone()));
        Ok(plan)
    }

    fn kept_plan(&self, size: (usize, usize)) -> Option<Plan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let position = plans.iter().position(|(kept, _)| *kept == size)?;
        let entry = plans.remove(position);
        let plan = entry.1.clone();
        plans.push(entry);
        Some(plan)
    }

    fn make_plan(&self, height: usize, width: usize) -> TractResult<Plan> {
        self.graph
            .clone()
            .with_input_fact(0, f32::fact([1, 3, height, width]).into())?
            .into_optimized()?
            .into_runnable()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("name", &self.name).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

fn failure(network: &str, error: &TractError) -> ModelError {
    ModelError::Network { network: network.to_owned(), reason: format!("{error:#}") }
}

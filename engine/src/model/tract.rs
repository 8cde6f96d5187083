//! A network run by tract.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::network::Output;
use super::prelu::onnx_with_prelu;

type Plan = Arc<TypedRunnableModel>;

/// Plans kept for different input sizes; the least recently used is dropped for a new one, so that
/// photos of ever new sizes cannot grow memory.
const PLANS_KEPT: usize = 24;

/// Runs whatever tract can, on any input size.
///
/// tract runs fastest on concrete shapes, so each input size gets a plan of its own, made when it
/// is first met.
pub(super) struct TractNetwork {
    graph: InferenceModel,
    outputs: Vec<String>,
    /// Most recently used last.
    plans: Mutex<Vec<((usize, usize), Plan)>>,
}

impl TractNetwork {
    /// Parses an ONNX file held in memory.
    pub(super) fn parse(onnx: &[u8]) -> TractResult<Self> {
        let graph = onnx_with_prelu()
            // Exporters write symbols there that do not unify with the concrete shapes asked for.
            .with_ignore_output_shapes(true)
            .with_ignore_value_info(true)
            .model_for_proto_model(&ModelProto::decode(onnx)?)?;
        let outputs = graph
            .output_outlets()?
            .iter()
            .map(|&outlet| graph.outlet_label(outlet).unwrap_or(&graph.node(outlet.node).name).to_owned())
            .collect();
        Ok(Self { graph, outputs, plans: Mutex::new(Vec::new()) })
    }

    /// Names of the outputs, in their order.
    pub(super) fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Runs one image: `input` holds `3 × height × width` numbers, NCHW.
    pub(super) fn run(&self, height: usize, width: usize, input: &[f32]) -> TractResult<Vec<Output>> {
        let plan = self.plan(height, width)?;
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

    fn plan(&self, height: usize, width: usize) -> TractResult<Plan> {
        let size = (height, width);
        if let Some(plan) = self.kept_plan(size) {
            return Ok(plan);
        }
        // Made outside the lock: other sizes keep running meanwhile; two threads may make the same
        // plan once, and the first to finish is kept.
        let plan = self.make_plan(height, width)?;
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

impl fmt::Debug for TractNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TractNetwork").field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

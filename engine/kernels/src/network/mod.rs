//! Convolutional networks for one image: a [`Graph`] of operations is compiled into a [`Network`], which runs on images
//! of any size.
//!
//! Compiling joins neighbouring nodes into layers and packs the weights of each for its kernel. A run finds the sizes
//! of all maps first, and checks them, so that kernels can go through memory without looking. Maps are in blocks of
//! as many channels as a register has lanes.

mod bands;
mod check;
mod error;
mod fuse;
mod graph;
#[cfg(all(test, unix))]
mod guarded;
mod kernel;
mod lanes;
mod layer;
mod memory;
mod plan;
mod ranges;
#[cfg(test)]
mod reference;
mod shape;
mod siblings;
#[cfg(test)]
mod tests;
mod workspace;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use error::{GraphError, RunError};
pub use graph::{Activation, Convolution, Graph, Node, Operation, Padding, Value, Window};
pub use ranges::Ranges;
pub use workspace::{Output, Outputs, Workspace};

use crate::Instructions;
use bands::Band;
use fuse::Given;
use kernel::elementwise::sigmoid;
use kernel::{lanes, layout};
use layer::{Kernel, Numerics, Step};
use plan::Plan;

/// Weights of a network that are more than caches near a core have. Those of fewer are read fast, and their inputs keep
/// their digits: networks that find faces are such, and what follows them takes hold of pixels.
const MANY_WEIGHTS: usize = if cfg!(test) { 1 } else { 1 << 20 };

/// Numbers that products are taken of, in convolutions that are not depthwise, read no image and give no output: those
/// stay in f32, as sums do, and as products do where Winograd's way takes less time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// bfloat16, rounded to the nearest: 8 bits of mantissa.
    Bf16,
    /// Bytes: inputs in steps of 255 over the range that was recorded for the layer, weights in steps of 127 for each
    /// output. Sums are exact.
    Int8,
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// The one of this [name](Self::name).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|precision| precision.name() == name)
    }

    /// `f32`, `bf16` or `int8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Whether this CPU has products of this precision in these instructions: all but f32 with AVX-512 alone. NEON has
    /// such products on many CPUs, but not yet in stable Rust (`vbfdotq_f32`, `vusdotq_s32`).
    pub fn is_available(self, instructions: Instructions) -> bool {
        instructions.are_available()
            && match self {
                Self::F32 => true,
                #[cfg(target_arch = "x86_64")]
                Self::Bf16 => {
                    matches!(instructions, Instructions::Avx512 | Instructions::Amx)
                        && is_x86_feature_detected!("avx512bf16")
                }
                #[cfg(target_arch = "x86_64")]
                Self::Int8 => matches!(instructions, Instructions::Avx512 | Instructions::Amx),
                #[cfg(not(target_arch = "x86_64"))]
                Self::Bf16 | Self::Int8 => false,
            }
    }
}

/// A graph with its weights in the order in which kernels read them.
#[derive(Debug)]
pub struct Network {
    /// Tells its plans in a workspace from those of other networks.
    id: u64,
    instructions: Instructions,
    image_channels: usize,
    steps: Vec<Step>,
    outputs: Vec<Given>,
}

/// One layer of a network: a node, or several that run as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Names of the nodes, joined by ` + `.
    pub name: String,
    /// Which kernel runs it.
    pub kernel: String,
    /// `[channels, height, width]` of what it gives.
    pub shape: [usize; 3],
    /// Multiplications, each with an addition, that its definition takes; 0 where it has no weights.
    pub multiplications: u64,
    /// Time it took, after a [`profile`](Network::profile).
    pub time: Option<Duration>,
}

impl Network {
    /// Prepares a graph: neighbouring nodes become one layer where they can, and weights are packed.
    ///
    /// # Errors
    /// When the graph contradicts itself, or this CPU cannot do what is asked for. [`Precision::Int8`] takes
    /// [`compile_int8`](Self::compile_int8).
    pub fn compile(graph: Graph, instructions: Instructions, precision: Precision) -> Result<Self, GraphError> {
        Self::compile_for(graph, instructions, precision, &Ranges::new())
    }

    /// Prepares a graph for products of bytes, with ranges that another network of the same graph has
    /// [recorded](Self::record).
    ///
    /// # Errors
    /// When the graph contradicts itself, this CPU cannot do what is asked for, or a range is missing.
    pub fn compile_int8(graph: Graph, instructions: Instructions, ranges: &Ranges) -> Result<Self, GraphError> {
        Self::compile_for(graph, instructions, Precision::Int8, ranges)
    }

    fn compile_for(
        graph: Graph,
        instructions: Instructions,
        precision: Precision,
        ranges: &Ranges,
    ) -> Result<Self, GraphError> {
        if !instructions.are_available() {
            return Err(GraphError::NoInstructions(instructions));
        }
        if !precision.is_available(instructions) {
            return Err(GraphError::NoPrecision { precision, instructions });
        }
        let channels = check::channels(&graph)?;
        let image_channels = graph.input_channels;
        let numerics = Numerics { precision, ranges, may_round: graph.weights() >= MANY_WEIGHTS };
        let (drafts, outputs) = fuse::fuse(graph, &channels);
        let (drafts, mut outputs) = siblings::join(drafts, outputs, lanes(instructions));
        let steps = layer::steps(instructions, numerics, image_channels, drafts, &mut outputs)?;
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // One more for its plans with whole maps.
        let id = NEXT.fetch_add(2, Ordering::Relaxed);
        Ok(Self { id, instructions, image_channels, steps, outputs })
    }

    /// Runs an image, `[channels, height, width]` in row-major order.
    ///
    /// # Errors
    /// When the slice has another length, or the network cannot run on images of this size.
    pub fn run<'w>(
        &self,
        image: &[f32],
        size: [usize; 2],
        workspace: &'w mut Workspace,
    ) -> Result<Outputs<'w>, RunError> {
        self.run_and_tell(image, size, true, workspace, |_, _, _| {})
    }

    /// Calls `done` after each step, with the plan and the maps; after each band of it, when it may run in bands.
    fn run_and_tell<'w>(
        &self,
        image: &[f32],
        [height, width]: [usize; 2],
        in_bands: bool,
        workspace: &'w mut Workspace,
        mut done: impl FnMut(usize, &Plan, &[f32]),
    ) -> Result<Outputs<'w>, RunError> {
        let channels = self.image_channels;
        if shape::numbers([channels, height, width]) != Ok(image.len()) {
            return Err(RunError::WrongLength { channels, height, width, numbers: image.len() });
        }
        let id = self.id + u64::from(!in_bands);
        let (plan, memory) = workspace.prepare(id, [height, width], || self.plan([height, width], in_bands))?;
        for chain in &plan.chains {
            for (step, band) in chain.stages(&self.steps, &plan.shapes, &plan.held) {
                self.run_step(step, band, plan, image, memory);
                done(step, plan, memory);
            }
        }
        for (output, (shape, place)) in self.outputs.iter().zip(&plan.outputs) {
            let [x, y] = disjoint(memory, [plan.places[output.value - 1].clone(), place.clone()]);
            self.give(output, *shape, x, y);
        }
        Ok(Outputs::new(&plan.outputs, memory))
    }

    /// From a map in blocks to an output in rows.
    fn give(&self, output: &Given, shape: shape::Shape, x: &[f32], y: &mut [f32]) {
        layout::unblock(lanes(self.instructions), output.first, shape, x, y);
        if output.sigmoid {
            sigmoid(self.instructions, y);
        }
    }

    fn run_step(&self, index: usize, band: Band, plan: &Plan, image: &[f32], memory: &mut [f32]) {
        let step = &self.steps[index];
        let (place, scratch) = (plan.places[index].clone(), plan.scratch[index].clone());
        let shape = plan.shapes[index + 1];
        if let Kernel::Concat = step.kernel {
            let mut channel = 0;
            for &input in &step.inputs {
                let [x, y] = disjoint(memory, [plan.places[input - 1].clone(), place.clone()]);
                let [channels, height, width] = plan.shapes[input];
                layout::join(lanes(self.instructions), channels, height * width, x, channel, y);
                channel += channels;
            }
            return;
        }
        let input = step.inputs[0];
        let x_place = if input == 0 { 0..0 } else { plan.places[input - 1].clone() };
        let residual = step.residual.filter(|&residual| residual != input);
        let residual_place = residual.map_or(0..0, |residual| plan.places[residual - 1].clone());
        let [x, residual, y, scratch] = disjoint(memory, [x_place, residual_place, place, scratch]);
        let x: &[f32] = if input == 0 { image } else { x };
        let residual: &[f32] = if step.residual == Some(input) { x } else { residual };
        let residual = step.residual.map(|value| (residual, plan.shapes[value]));
        step.run(self.instructions, (x, plan.shapes[input]), residual, (y, shape), scratch, band);
    }

    fn plan(&self, [height, width]: [usize; 2], in_bands: bool) -> Result<Plan, RunError> {
        let image = [self.image_channels, height, width];
        Plan::new(self.instructions, &self.steps, &self.outputs, image, in_bands).map_err(|(step, reason)| {
            let layer = self.steps.get(step).map(|step| step.name.clone()).unwrap_or_default();
            RunError::Size { height, width, layer, reason }
        })
    }

    /// The layers, for images of one size.
    ///
    /// # Errors
    /// When the network cannot run on images of this size.
    pub fn explain(&self, size: [usize; 2]) -> Result<Vec<Layer>, RunError> {
        let plan = self.plan(size, true)?;
        let bands = plan.chains.iter().flat_map(|chain| chain.steps.clone().map(|_| chain.count(&plan.shapes)));
        let in_bands = |kernel: String, bands| if bands > 1 { format!("{kernel} in {bands} bands") } else { kernel };
        let layer = |((step, &shape), bands): ((&Step, _), _)| Layer {
            name: step.name.clone(),
            kernel: in_bands(step.kernel_name(self.instructions, shape), bands),
            shape,
            multiplications: step.multiplications(plan.shapes[step.inputs[0]], shape),
            time: None,
        };
        Ok(self.steps.iter().zip(&plan.shapes[1..]).zip(bands).map(layer).collect())
    }

    /// Runs an image as [`run`](Self::run) does, and takes the time of each layer.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn profile(&self, image: &[f32], size: [usize; 2], workspace: &mut Workspace) -> Result<Vec<Layer>, RunError> {
        let mut layers = self.explain(size)?;
        let mut begin = Instant::now();
        self.run_and_tell(image, size, true, workspace, |step, _, _| {
            let now = Instant::now();
            *layers[step].time.get_or_insert_default() += now - begin;
            begin = now;
        })?;
        Ok(layers)
    }

    /// Runs an image as [`run`](Self::run) does, and widens the ranges of all layers that [`Precision::Int8`] would
    /// change by what they read. The network has to be one of f32.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn record<'w>(
        &self,
        image: &[f32],
        size: [usize; 2],
        workspace: &'w mut Workspace,
        ranges: &mut Ranges,
    ) -> Result<Outputs<'w>, RunError> {
        let lanes = lanes(self.instructions);
        self.run_and_tell(image, size, false, workspace, |index, plan, memory| {
            let step = &self.steps[index];
            let input = step.inputs[0];
            if !matches!(step.kernel, Kernel::Dense(..) | Kernel::Grouped(_)) || input == 0 {
                return;
            }
            let (shape, map) = (plan.shapes[input], &memory[plan.places[input - 1].clone()]);
            let given = self.steps[input - 1].gives();
            let range = match given.are_for_tiles() {
                true => layout::range_of_halves(given.of_pixel(lanes), map),
                false => layout::range(lanes, shape, map),
            };
            ranges.widen(&step.name, range);
        })
    }

    /// Shapes of the outputs, for images of one size.
    ///
    /// # Errors
    /// When the network cannot run on images of this size.
    pub fn output_shapes(&self, size: [usize; 2]) -> Result<Vec<[usize; 3]>, RunError> {
        Ok(self.plan(size, true)?.outputs.into_iter().map(|(shape, _)| shape).collect())
    }

    /// Bytes of memory that a run on images of one size takes for maps.
    ///
    /// # Errors
    /// When the network cannot run on images of this size.
    pub fn map_bytes(&self, size: [usize; 2]) -> Result<usize, RunError> {
        Ok(self.plan(size, true)?.numbers * size_of::<f32>())
    }

    /// Bytes of the packed weights.
    pub fn weight_bytes(&self) -> usize {
        self.steps.iter().map(Step::weight_bytes).sum()
    }
}

/// Stretches of memory that share nothing.
///
/// # Panics
/// When they do.
fn disjoint<const N: usize>(memory: &mut [f32], places: [std::ops::Range<usize>; N]) -> [&mut [f32]; N] {
    memory.get_disjoint_mut(places).expect("a plan gives values that are needed at once places of their own")
}

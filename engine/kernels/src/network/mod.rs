//! Convolutional networks for one image: a [`Graph`] of operations is compiled into a [`Network`], which runs on images
//! of any size.

mod check;
mod error;
mod graph;
mod reference;
mod shape;

use std::time::Duration;

pub use error::{GraphError, RunError};
pub use graph::{Activation, Convolution, Graph, Node, Operation, Padding, Value, Window};

use crate::Instructions;
use reference::Map;
use shape::numbers;

/// Numbers that products are taken of. Sums are f32 always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// bfloat16, rounded to the nearest: 8 bits of mantissa.
    Bf16,
}

impl Precision {
    /// `f32` or `bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether this CPU has products of this precision in these instructions.
    pub fn is_available(self, instructions: Instructions) -> bool {
        instructions.are_available() && self == Self::F32
    }
}

/// A graph with its weights in the order in which kernels read them.
#[derive(Debug)]
pub struct Network {
    graph: Graph,
}

/// Memory for the maps of a run. It grows to what the largest run takes; a run of a size that was run before allocates
/// nothing. It may serve several networks, one run at a time.
#[derive(Debug, Default)]
pub struct Workspace {
    outputs: Vec<Map>,
}

/// What a run gave, in the order of [`Graph::outputs`]. It is in the workspace until the next run.
#[derive(Debug, Clone, Copy)]
pub struct Outputs<'w> {
    maps: &'w [Map],
}

/// One of the [`Outputs`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Output<'w> {
    /// `[channels, height, width]`.
    pub shape: [usize; 3],
    /// In row-major order.
    pub values: &'w [f32],
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
    /// When the graph contradicts itself, or this CPU cannot do what is asked for.
    pub fn compile(graph: Graph, instructions: Instructions, precision: Precision) -> Result<Self, GraphError> {
        if !instructions.are_available() {
            return Err(GraphError::NoInstructions(instructions));
        }
        if !precision.is_available(instructions) {
            return Err(GraphError::NoPrecision { precision, instructions });
        }
        check::channels(&graph)?;
        Ok(Self { graph })
    }

    /// Runs an image, `[channels, height, width]` in row-major order.
    ///
    /// # Errors
    /// When the slice has another length, or the network cannot run on images of this size.
    pub fn run<'w>(
        &self,
        image: &[f32],
        [height, width]: [usize; 2],
        workspace: &'w mut Workspace,
    ) -> Result<Outputs<'w>, RunError> {
        let shape = [self.graph.input_channels, height, width];
        if numbers(shape) != Ok(image.len()) {
            let (channels, numbers) = (shape[0], image.len());
            return Err(RunError::WrongLength { channels, height, width, numbers });
        }
        let image = Map { shape, values: image.to_vec() };
        workspace.outputs = reference::run(&self.graph, &image).map_err(|(node, reason)| RunError::Size {
            height,
            width,
            layer: self.graph.nodes[node].name.clone(),
            reason,
        })?;
        Ok(Outputs { maps: &workspace.outputs })
    }

    /// The layers, for images of one size.
    ///
    /// # Errors
    /// When the network cannot run on images of this size.
    pub fn explain(&self, size: [usize; 2]) -> Result<Vec<Layer>, RunError> {
        let _ = size;
        Ok(Vec::new())
    }

    /// Runs an image as [`run`](Self::run) does, and takes the time of each layer.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn profile(&self, image: &[f32], size: [usize; 2], workspace: &mut Workspace) -> Result<Vec<Layer>, RunError> {
        self.run(image, size, workspace)?;
        self.explain(size)
    }

    /// Shapes of the outputs, for images of one size.
    ///
    /// # Errors
    /// When the network cannot run on images of this size.
    pub fn output_shapes(&self, size: [usize; 2]) -> Result<Vec<[usize; 3]>, RunError> {
        let image = vec![0.0; self.graph.input_channels * size[0] * size[1]];
        Ok(self.run(&image, size, &mut Workspace::new())?.iter().map(|output| output.shape).collect())
    }

    /// Bytes of the packed weights.
    pub fn weight_bytes(&self) -> usize {
        0
    }
}

impl Workspace {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that it has for maps, those of the largest run so far.
    pub fn peak_bytes(&self) -> usize {
        0
    }
}

impl<'w> Outputs<'w> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.maps.len()
    }

    /// Never: a graph has outputs.
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// The output of this index.
    pub fn get(&self, index: usize) -> Option<Output<'w>> {
        self.maps.get(index).map(|map| Output { shape: map.shape, values: &map.values })
    }

    /// All of them in their order.
    pub fn iter(&self) -> impl Iterator<Item = Output<'w>> + use<'w> {
        let outputs = *self;
        (0..self.len()).filter_map(move |index| outputs.get(index))
    }
}

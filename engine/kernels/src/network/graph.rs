//! A network as its author wrote it: operations on maps, in the order in which they can run.

/// A convolutional network for one image. Every value in it is a map of f32 numbers, `[channels, height, width]`.
///
/// No node depends on the image's height and width, which are given anew at each run.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Channels of the image.
    pub input_channels: usize,
    /// Each reads the input or nodes before it.
    pub nodes: Vec<Node>,
    /// What a run gives, in this order.
    pub outputs: Vec<Value>,
}

impl Graph {
    /// Of its convolutions.
    pub(super) fn weights(&self) -> usize {
        let of_node = |node: &Node| match &node.operation {
            Operation::Convolution(convolution) => convolution.weights.len(),
            _ => 0,
        };
        self.nodes.iter().map(of_node).sum()
    }
}

/// One operation and what it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Name of the node for messages, the one in the ONNX file where there is such a one.
    pub name: String,
    /// What is done.
    pub operation: Operation,
    /// As many as the operation takes.
    pub inputs: Vec<Value>,
}

/// A map that nodes read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value {
    /// The image.
    Input,
    /// What the node of this index gives.
    Node(usize),
}

/// What a node does. One input, where nothing else is said.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A convolution, dense, grouped or depthwise.
    Convolution(Convolution),
    /// A function of each number.
    Activation(Activation),
    /// Sum of two inputs of one height and width. The one with fewer channels is continued by channels of zeros, as in
    /// the shortcuts of dlib's ResNet.
    Add,
    /// `scale · x + offset` with numbers for each channel, or one for all: normalisation of the image, or a batch
    /// normalisation. Those beside a convolution become part of it.
    Affine {
        /// One number, or one for each channel.
        scale: Vec<f32>,
        /// One number, or one for each channel.
        offset: Vec<f32>,
    },
    /// Continues the map by zeros.
    Pad {
        /// Channels of zeros after the last.
        channels: usize,
        /// Zeros around each channel.
        padding: Padding,
    },
    /// The greatest number of each window. Places outside the map count as none.
    MaxPool(Window),
    /// The mean of each window.
    AveragePool {
        /// The windows.
        window: Window,
        /// Whether the zeros of the padding count. A mean is never over places beyond the padding, which `ceil` may
        /// add.
        count_padding: bool,
    },
    /// The mean of each channel, a map of 1×1.
    GlobalAveragePool,
    /// Each number becomes a rectangle of so many rows and columns.
    UpsampleNearest {
        /// Rows and columns, at least 1.
        factors: [usize; 2],
    },
    /// Weighted sums over the whole map, which has to be of the given shape. Gives `[outputs, 1, 1]`.
    FullyConnected {
        /// Channels, height, width.
        input: [usize; 3],
        /// Row-major `[outputs, channels, height, width]`.
        weights: Vec<f32>,
        /// One for each output; empty for zeros.
        bias: Vec<f32>,
    },
    /// Softmax over the channels of each pixel.
    Softmax,
    /// The channels of all inputs, one input after the other. One height and width, one input or more.
    Concat,
}

/// A convolution: cross-correlation, as in ONNX.
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    /// Channels of the output.
    pub outputs: usize,
    /// Both channels of the input and of the output are split into so many groups. Depthwise: as many as channels.
    pub groups: usize,
    /// Where it looks. `ceil` has no meaning here and must be false.
    pub window: Window,
    /// Row-major `[outputs, input channels / groups, kernel rows, kernel columns]`.
    pub weights: Vec<f32>,
    /// One for each output; empty for zeros.
    pub bias: Vec<f32>,
}

/// Windows of a convolution or a pool. Pairs are of rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of a window.
    pub kernel: [usize; 2],
    /// From one window to the next.
    pub stride: [usize; 2],
    /// From one row or column of a window to the next.
    pub dilation: [usize; 2],
    /// Around the map.
    pub padding: Padding,
    /// Whether a last window that begins within the map and its padding, but ends beyond, counts.
    pub ceil: bool,
}

/// Rows and columns around a map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns before the first.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns after the last.
    pub right: usize,
}

impl Window {
    /// Whether an output sees one pixel, and that is on the map.
    pub(super) fn has_one_place(&self) -> bool {
        self.kernel == [1; 2] && self.padding == Padding::default()
    }

    /// Windows of `kernel` × `kernel`, with as many rows and columns of padding on all sides.
    pub fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            padding: Padding { top: padding, left: padding, bottom: padding, right: padding },
            ceil: false,
        }
    }
}

/// A function of each number.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, low), high)`; ReLU6 is that of 0 and 6.
    Clip {
        /// Least value.
        low: f32,
        /// Greatest value, not below `low`.
        high: f32,
    },
    /// `x` where it is positive, else `slope · x`: one slope for each channel, or one for all.
    PRelu(Vec<f32>),
    /// `1 / (1 + exp(−x))`.
    Sigmoid,
}

//! Which nodes become one layer: what is linear goes into the convolution beside it, and sums and activations into what
//! comes before them.

use super::graph::{Activation, Convolution, Graph, Operation, Padding, Value, Window};
use super::kernel::depthwise::Depthwise;
use super::kernel::first::First;

/// Layers before kernels are chosen for them. A value is the image, 0, or what a layer gives, its index and 1.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) names: Vec<String>,
    pub(super) work: Work,
    pub(super) inputs: Vec<usize>,
    /// Added to what a convolution, an upsampled map or a scaled one is, before the activation.
    pub(super) residual: Option<usize>,
    pub(super) activation: Option<Activation>,
    /// A pool of greatest numbers after all that, for convolutions over the image and depthwise ones.
    pub(super) pool: Option<Window>,
    /// Channels of what it gives.
    pub(super) channels: usize,
}

/// An image of more channels is brought into blocks first.
pub(super) const MOST_PLANAR_CHANNELS: usize = 4;

impl Draft {
    /// Whether it is a convolution that can read an image of few channels as it is.
    pub(super) fn is_over_image(&self) -> bool {
        self.inputs[0] == 0
            && self.residual.is_none()
            && matches!(
                &self.work,
                Work::Convolution(convolution, None) if convolution.groups == 1 && First::can(&convolution.window)
            )
    }

    /// The window of a convolution of each channel by itself.
    fn depthwise_window(&self) -> Option<&Window> {
        match &self.work {
            Work::Convolution(Convolution { outputs, groups, window, weights, .. }, None) => {
                let taps = window.kernel[0] * window.kernel[1];
                (groups == outputs && *outputs > 1 && weights.len() == outputs * taps).then_some(window)
            }
            _ => None,
        }
    }
}

/// What a layer does before its residual is added.
#[derive(Debug)]
pub(super) enum Work {
    /// A convolution; the map must be of this size, where it was fully connected.
    Convolution(Convolution, Option<[usize; 2]>),
    /// A scale and an offset for each channel or for all, or nothing.
    Elementwise(Option<[Vec<f32>; 2]>),
    Pad(Padding),
    MaxPool(Window),
    AveragePool(Window, bool),
    Mean,
    Upsample([usize; 2]),
    Softmax,
    Concat,
}

/// What a run gives: channels of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) value: usize,
    /// The first of the channels, and how many.
    pub(super) first: usize,
    pub(super) channels: usize,
    /// Whether the sigmoid of each number is given. It is taken where numbers of a channel are together: in blocks, an
    /// output of one channel would take as long as one of as many as a block has.
    pub(super) sigmoid: bool,
}

/// How often each value is read: by what reads `read`, of the image and so many others, and by outputs.
pub(super) fn count_reads<'a>(
    others: usize,
    read: impl Iterator<Item = &'a usize>,
    outputs: &'a [Given],
) -> Vec<usize> {
    let mut reads = vec![0; others + 1];
    read.chain(outputs.iter().map(|output| &output.value)).for_each(|&value| reads[value] += 1);
    reads
}

/// The drafts of a checked graph, and its outputs.
pub(super) fn fuse(graph: Graph, channels: &[usize]) -> (Vec<Draft>, Vec<Given>) {
    let mut uses = vec![0_usize; graph.nodes.len()];
    let all_read = graph.nodes.iter().flat_map(|node| &node.inputs).chain(&graph.outputs);
    for value in all_read {
        if let Value::Node(node) = value {
            uses[*node] += 1;
        }
    }
    let mut fusion = Fusion { image_channels: graph.input_channels, drafts: Vec::new(), value_of: Vec::new() };
    let mut graph = graph;
    for (index, node) in std::mem::take(&mut graph.nodes).into_iter().enumerate() {
        let inputs: Vec<Input> = node
            .inputs
            .iter()
            .map(|&input| Input {
                value: fusion.value(input),
                // Whether nothing else reads it.
                is_ours: matches!(input, Value::Node(node) if uses[node] == 1),
            })
            .collect();
        let value = fusion.add(node.name, node.operation, &inputs, channels[index]);
        fusion.value_of.push(value);
    }
    let given = |&output: &Value| {
        let value = fusion.value(output);
        Given { value, first: 0, channels: fusion.channels(value), sigmoid: false }
    };
    let mut outputs: Vec<Given> = graph.outputs.iter().map(given).collect();
    outputs.iter_mut().for_each(|output| take_sigmoid(&fusion.drafts, output));
    without_unused(fusion.drafts, outputs)
}

/// Takes a sigmoid out of the drafts, into an output.
fn take_sigmoid(drafts: &[Draft], output: &mut Given) {
    if let Some(draft) = output.value.checked_sub(1).map(|draft| &drafts[draft])
        && matches!(draft.work, Work::Elementwise(None))
        && draft.activation == Some(Activation::Sigmoid)
        && draft.residual.is_none()
        && draft.inputs[0] != 0
    {
        output.value = draft.inputs[0];
        output.sigmoid = true;
    }
}

#[derive(Clone, Copy)]
struct Input {
    value: usize,
    is_ours: bool,
}

struct Fusion {
    image_channels: usize,
    drafts: Vec<Draft>,
    /// Of each node.
    value_of: Vec<usize>,
}

impl Fusion {
    fn value(&self, value: Value) -> usize {
        match value {
            Value::Input => 0,
            Value::Node(node) => self.value_of[node],
        }
    }

    fn channels(&self, value: usize) -> usize {
        match value {
            0 => self.image_channels,
            _ => self.drafts[value - 1].channels,
        }
    }

    /// The draft of an input that nothing else reads.
    fn ours(&mut self, input: Input) -> Option<&mut Draft> {
        match input {
            Input { value: 1.., is_ours: true } => self.drafts.get_mut(input.value - 1),
            _ => None,
        }
    }

    /// Gives the value of a node.
    fn add(&mut self, name: String, operation: Operation, inputs: &[Input], channels: usize) -> usize {
        let values = || inputs.iter().map(|input| input.value).collect::<Vec<_>>();
        let work = match operation {
            Operation::Convolution(convolution) => return self.add_convolution(name, convolution, None, inputs[0]),
            Operation::FullyConnected { input, weights, bias } => {
                let [inner, height, width] = input;
                let window = Window { kernel: [height, width], ..Window::square(1, 1, 0) };
                let convolution =
                    Convolution { outputs: weights.len() / (inner * height * width), groups: 1, window, weights, bias };
                return self.add_convolution(name, convolution, Some([height, width]), inputs[0]);
            }
            Operation::Activation(activation) => return self.add_activation(name, activation, inputs[0]),
            Operation::Add => return self.add_sum(name, [inputs[0], inputs[1]]),
            Operation::Affine { scale, offset } => return self.add_affine(name, scale, offset, inputs[0]),
            Operation::Pad { padding, .. } => Work::Pad(padding),
            Operation::MaxPool(window) => return self.add_max_pool(name, window, inputs[0]),
            Operation::AveragePool { window, count_padding } => Work::AveragePool(window, count_padding),
            Operation::GlobalAveragePool => Work::Mean,
            Operation::UpsampleNearest { factors } => Work::Upsample(factors),
            Operation::Softmax => Work::Softmax,
            Operation::Concat => Work::Concat,
        };
        self.push(name, work, values(), channels)
    }

    fn push(&mut self, name: String, work: Work, inputs: Vec<usize>, channels: usize) -> usize {
        self.drafts.push(Draft {
            names: vec![name],
            work,
            inputs,
            residual: None,
            activation: None,
            pool: None,
            channels,
        });
        self.drafts.len()
    }

    fn add_convolution(
        &mut self,
        name: String,
        mut convolution: Convolution,
        map: Option<[usize; 2]>,
        mut input: Input,
    ) -> usize {
        let padded = convolution.window.padding != Padding::default();
        let mut names = Vec::new();
        if let Some(draft) = self.ours(input)
            && let Work::Elementwise(Some([scale, offset])) = &draft.work
            && draft.residual.is_none()
            && draft.activation.is_none()
            && draft.pool.is_none()
            // What is beside the map is 0 also where the map has an offset.
            && (!padded || offset.iter().all(|&offset| offset == 0.0))
        {
            precede(&mut convolution, scale, offset);
            names = std::mem::take(&mut draft.names);
            // The draft that is left has no reader any more.
            input = Input { value: draft.inputs[0], is_ours: false };
        }
        names.push(name);
        let outputs = convolution.outputs;
        let value = self.push(String::new(), Work::Convolution(convolution, map), vec![input.value], outputs);
        self.drafts[value - 1].names = names;
        value
    }

    fn add_affine(&mut self, name: String, scale: Vec<f32>, offset: Vec<f32>, input: Input) -> usize {
        if let Some(draft) = self.ours(input)
            && draft.residual.is_none()
            && draft.activation.is_none()
            && draft.pool.is_none()
        {
            match &mut draft.work {
                Work::Convolution(convolution, _) => {
                    follow(convolution, &scale, &offset);
                    draft.names.push(name);
                    return input.value;
                }
                Work::Elementwise(Some([first_scale, first_offset])) => {
                    let channels = draft.channels;
                    let each = |channel| {
                        let (scale, offset) = (of(&scale, channel), of(&offset, channel));
                        (scale * of(first_scale, channel), scale * of(first_offset, channel) + offset)
                    };
                    let (scale, offset) = (0..channels).map(each).unzip();
                    draft.work = Work::Elementwise(Some([scale, offset]));
                    draft.names.push(name);
                    return input.value;
                }
                _ => {}
            }
        }
        let channels = self.channels(input.value);
        self.push(name, Work::Elementwise(Some([scale, offset])), vec![input.value], channels)
    }

    fn add_activation(&mut self, name: String, activation: Activation, input: Input) -> usize {
        if let Some(draft) = self.ours(input)
            && draft.activation.is_none()
            && draft.pool.is_none()
            && matches!(draft.work, Work::Convolution(..) | Work::Elementwise(_))
            // A sigmoid is a pass of its own.
            && activation != Activation::Sigmoid
        {
            draft.activation = Some(activation);
            draft.names.push(name);
            return input.value;
        }
        let channels = self.channels(input.value);
        let value = self.push(name, Work::Elementwise(None), vec![input.value], channels);
        self.drafts[value - 1].activation = Some(activation);
        value
    }

    fn add_max_pool(&mut self, name: String, window: Window, input: Input) -> usize {
        let few_channels = self.image_channels <= MOST_PLANAR_CHANNELS;
        if let Some(draft) = self.ours(input)
            && draft.pool.is_none()
            && draft.residual.is_none()
            && draft.activation != Some(Activation::Sigmoid)
            // The rows that it takes are kept in the cache.
            && (draft.is_over_image() && few_channels && window.kernel[0] <= 3 && window.dilation == [1; 2]
                || draft.depthwise_window().is_some_and(|convolution| Depthwise::can_pool(convolution, &window)))
        {
            draft.pool = Some(window);
            draft.names.push(name);
            return input.value;
        }
        let channels = self.channels(input.value);
        self.push(name, Work::MaxPool(window), vec![input.value], channels)
    }

    fn add_sum(&mut self, name: String, inputs: [Input; 2]) -> usize {
        let channels = inputs.map(|input| self.channels(input.value));
        for (into, from) in [(0, 1), (1, 0)] {
            let (into_channels, from_channels) = (channels[into], channels[from]);
            let from = inputs[from].value;
            // What is added has to be there first.
            if from < inputs[into].value
                && from_channels <= into_channels
                && let Some(draft) = self.ours(inputs[into])
                && draft.residual.is_none()
                && draft.activation.is_none()
                && draft.pool.is_none()
                && matches!(draft.work, Work::Convolution(..) | Work::Upsample(_))
            {
                draft.residual = Some(from);
                draft.names.push(name);
                return inputs[into].value;
            }
        }
        let (wide, narrow) = if channels[0] >= channels[1] { (0, 1) } else { (1, 0) };
        let value = self.push(name, Work::Elementwise(None), vec![inputs[wide].value], channels[wide]);
        self.drafts[value - 1].residual = Some(inputs[narrow].value);
        value
    }
}

/// Leaves out the drafts that nothing reads.
pub(super) fn without_unused(drafts: Vec<Draft>, mut outputs: Vec<Given>) -> (Vec<Draft>, Vec<Given>) {
    let mut is_used = vec![false; drafts.len() + 1];
    outputs.iter().for_each(|output| is_used[output.value] = true);
    for (index, draft) in drafts.iter().enumerate().rev() {
        if is_used[index + 1] {
            draft.inputs.iter().chain(&draft.residual).for_each(|&value| is_used[value] = true);
        }
    }
    let mut renumbered = vec![0; is_used.len()];
    let mut kept: Vec<Draft> = Vec::new();
    for (index, mut draft) in drafts.into_iter().enumerate() {
        if is_used[index + 1] {
            draft.inputs.iter_mut().chain(&mut draft.residual).for_each(|value| *value = renumbered[*value]);
            kept.push(draft);
            renumbered[index + 1] = kept.len();
        }
    }
    outputs.iter_mut().for_each(|output| output.value = renumbered[output.value]);
    (kept, outputs)
}

/// `convolution(scale · x + offset)` as a convolution without padding, or without offset.
fn precede(convolution: &mut Convolution, scale: &[f32], offset: &[f32]) {
    let Convolution { outputs, groups, window, weights, bias } = convolution;
    let taps = window.kernel[0] * window.kernel[1];
    let inner = weights.len() / (*outputs * taps);
    let mut sums: Vec<f64> = (0..*outputs).map(|output| f64::from(of(bias, output))).collect();
    for (output, weights) in weights.chunks_exact_mut(inner * taps).enumerate() {
        let group = output / (*outputs / *groups);
        for (input, weights) in weights.chunks_exact_mut(taps).enumerate() {
            let channel = group * inner + input;
            for weight in weights {
                sums[output] += f64::from(*weight) * f64::from(of(offset, channel));
                *weight *= of(scale, channel);
            }
        }
    }
    *bias = sums.into_iter().map(|sum| sum as f32).collect();
}

/// `scale · convolution(x) + offset` as a convolution.
fn follow(convolution: &mut Convolution, scale: &[f32], offset: &[f32]) {
    let outputs = convolution.outputs;
    let of_output = convolution.weights.len() / outputs;
    for (output, weights) in convolution.weights.chunks_exact_mut(of_output).enumerate() {
        weights.iter_mut().for_each(|weight| *weight *= of(scale, output));
    }
    let bias = &convolution.bias;
    convolution.bias = (0..outputs).map(|output| of(bias, output) * of(scale, output) + of(offset, output)).collect();
}

/// The number of a channel: one for each, one for all, or none, which is 0.
pub(super) fn of(numbers: &[f32], channel: usize) -> f32 {
    match numbers {
        [] => 0.0,
        [all] => *all,
        _ => numbers[channel],
    }
}

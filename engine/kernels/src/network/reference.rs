//! Every operation in the plainest form, with sums in f64: what the kernels are held against.

use super::graph::{Activation, Convolution, Graph, Operation, Value, Window};
use super::shape::{Shape, numbers};

/// A map in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Map {
    pub(super) shape: Shape,
    pub(super) values: Vec<f32>,
}

impl Map {
    fn of(shape: Shape, mut value: impl FnMut(Shape) -> f64) -> Result<Self, String> {
        let mut values = Vec::with_capacity(numbers(shape)?);
        for channel in 0..shape[0] {
            for row in 0..shape[1] {
                for column in 0..shape[2] {
                    values.push(value([channel, row, column]) as f32);
                }
            }
        }
        Ok(Self { shape, values })
    }

    /// Zero outside.
    fn get(&self, channel: usize, row: isize, column: isize) -> f64 {
        self.find(channel, row, column).unwrap_or(0.0)
    }

    fn find(&self, channel: usize, row: isize, column: isize) -> Option<f64> {
        let (row, column) = (usize::try_from(row).ok()?, usize::try_from(column).ok()?);
        let [channels, height, width] = self.shape;
        let inside = channel < channels && row < height && column < width;
        inside.then(|| f64::from(self.values[(channel * height + row) * width + column]))
    }
}

/// The outputs of a checked graph for one image.
pub(super) fn run(graph: &Graph, image: &Map) -> Result<Vec<Map>, (usize, String)> {
    Ok(run_with_greatest(graph, image)?.0)
}

/// Those, and the greatest number of all maps, whatever its sign.
pub(super) fn run_with_greatest(graph: &Graph, image: &Map) -> Result<(Vec<Map>, f32), (usize, String)> {
    let mut maps: Vec<Map> = Vec::with_capacity(graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let inputs: Vec<&Map> = node.inputs.iter().map(|value| find(image, &maps, *value)).collect();
        let map = apply(&node.operation, &inputs).map_err(|reason| (index, reason))?;
        maps.push(map);
    }
    let greatest = maps.iter().flat_map(|map| &map.values).fold(0.0_f32, |greatest, number| greatest.max(number.abs()));
    Ok((graph.outputs.iter().map(|output| find(image, &maps, *output).clone()).collect(), greatest))
}

fn find<'m>(image: &'m Map, maps: &'m [Map], value: Value) -> &'m Map {
    match value {
        Value::Input => image,
        Value::Node(node) => &maps[node],
    }
}

fn apply(operation: &Operation, inputs: &[&Map]) -> Result<Map, String> {
    let input = inputs[0];
    let [channels, height, width] = input.shape;
    let each = |f: &dyn Fn(usize, f64) -> f64| {
        Map::of(input.shape, |[channel, row, column]| f(channel, input.get(channel, row as isize, column as isize)))
    };
    match operation {
        Operation::Convolution(convolution) => convolve(convolution, input),
        Operation::Activation(activation) => each(&|channel, x| activate(activation, channel, x)),
        Operation::Affine { scale, offset } => each(&|channel, x| of(scale, channel) * x + of(offset, channel)),
        Operation::Add => {
            let other = inputs[1];
            if input.shape[1..] != other.shape[1..] {
                return Err(format!("a sum of {:?} and {:?}", input.shape, other.shape));
            }
            Map::of([channels.max(other.shape[0]), height, width], |[channel, row, column]| {
                let (row, column) = (row as isize, column as isize);
                input.get(channel, row, column) + other.get(channel, row, column)
            })
        }
        Operation::Pad { channels: more, padding } => {
            let shape = [channels + more, height + padding.top + padding.bottom, width + padding.left + padding.right];
            Map::of(shape, |[channel, row, column]| {
                input.get(channel, row as isize - padding.top as isize, column as isize - padding.left as isize)
            })
        }
        Operation::MaxPool(window) => pool(window, input, |found, _| found.iter().copied().fold(f64::MIN, f64::max)),
        Operation::AveragePool { window, count_padding } => pool(window, input, |found, padded| {
            found.iter().sum::<f64>() / if *count_padding { padded } else { found.len() } as f64
        }),
        Operation::GlobalAveragePool => Map::of([channels, 1, 1], |[channel, ..]| {
            let pixels = height * width;
            input.values[channel * pixels..][..pixels].iter().map(|x| f64::from(*x)).sum::<f64>() / pixels as f64
        }),
        Operation::UpsampleNearest { factors: [rows, columns] } => {
            Map::of([channels, height * rows, width * columns], |[channel, row, column]| {
                input.get(channel, (row / rows) as isize, (column / columns) as isize)
            })
        }
        Operation::FullyConnected { input: shape, weights, bias } => {
            if *shape != input.shape {
                return Err(format!("a map of {shape:?} is read, but one of {:?} given", input.shape));
            }
            let numbers = input.values.len();
            Map::of([weights.len() / numbers, 1, 1], |[output, ..]| {
                let products = weights[output * numbers..].iter().zip(&input.values);
                products.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>() + of(bias, output)
            })
        }
        Operation::Softmax => {
            let exponential = |channel, row, column| {
                let (row, column) = (row as isize, column as isize);
                let greatest = (0..channels).map(|channel| input.get(channel, row, column)).fold(f64::MIN, f64::max);
                (input.get(channel, row, column) - greatest).exp()
            };
            Map::of(input.shape, |[channel, row, column]| {
                exponential(channel, row, column)
                    / (0..channels).map(|channel| exponential(channel, row, column)).sum::<f64>()
            })
        }
        Operation::Concat => {
            if inputs.iter().any(|other| other.shape[1..] != input.shape[1..]) {
                return Err("maps of different sizes cannot be joined".into());
            }
            let channels = inputs.iter().map(|input| input.shape[0]).sum();
            Ok(Map {
                shape: [channels, height, width],
                values: inputs.iter().flat_map(|input| input.values.iter().copied()).collect(),
            })
        }
    }
}

fn convolve(convolution: &Convolution, input: &Map) -> Result<Map, String> {
    let Convolution { outputs, groups, window, weights, bias } = convolution;
    let [rows, columns] = window.count([input.shape[1], input.shape[2]])?;
    let (inputs, outputs_of_group) = (input.shape[0] / groups, outputs / groups);
    Map::of([*outputs, rows, columns], |[output, row, column]| {
        let group = output / outputs_of_group;
        let mut sum = of(bias, output);
        for channel in 0..inputs {
            for (y, x, tap) in taps(window, row, column) {
                let weight = weights[(output * inputs + channel) * window.kernel[0] * window.kernel[1] + tap];
                sum += f64::from(weight) * input.get(group * inputs + channel, y, x);
            }
        }
        sum
    })
}

/// Row and column of the map, and number of the tap, for each place of a window.
fn taps(window: &Window, row: usize, column: usize) -> impl Iterator<Item = (isize, isize, usize)> {
    let Window { kernel, stride, dilation, padding, .. } = *window;
    (0..kernel[0] * kernel[1]).map(move |tap| {
        let (y, x) = (tap / kernel[1], tap % kernel[1]);
        let y = (row * stride[0] + y * dilation[0]) as isize - padding.top as isize;
        let x = (column * stride[1] + x * dilation[1]) as isize - padding.left as isize;
        (y, x, tap)
    })
}

/// `value` of the numbers of a window and of how many places the window has on the map and its padding.
fn pool(window: &Window, input: &Map, value: impl Fn(&[f64], usize) -> f64) -> Result<Map, String> {
    let [channels, height, width] = input.shape;
    let [rows, columns] = window.count([height, width])?;
    let (bottom, right) = (height + window.padding.bottom, width + window.padding.right);
    Map::of([channels, rows, columns], |[channel, row, column]| {
        let places: Vec<_> = taps(window, row, column).collect();
        let found: Vec<f64> = places.iter().filter_map(|&(y, x, _)| input.find(channel, y, x)).collect();
        let padded = places.iter().filter(|&&(y, x, _)| y < bottom as isize && x < right as isize).count();
        value(&found, padded)
    })
}

fn activate(activation: &Activation, channel: usize, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::Clip { low, high } => x.clamp(f64::from(*low), f64::from(*high)),
        Activation::PRelu(slopes) => {
            if x > 0.0 {
                x
            } else {
                of(slopes, channel) * x
            }
        }
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}

/// The number of a channel: one for each, one for all, or none, which is 0.
fn of(numbers: &[f32], channel: usize) -> f64 {
    match numbers {
        [] => 0.0,
        [all] => f64::from(*all),
        _ => f64::from(numbers[channel]),
    }
}

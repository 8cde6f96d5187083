//! Whether a graph makes sense, for images of any size.

use super::error::GraphError;
use super::graph::{Activation, Convolution, Graph, Operation, Value};
use super::shape::MOST_NUMBERS;

/// Channels of what each node gives.
pub(super) fn channels(graph: &Graph) -> Result<Vec<usize>, GraphError> {
    if graph.input_channels == 0 || graph.input_channels > MOST_NUMBERS {
        return Err(GraphError::Graph(format!("an image of {} channels", graph.input_channels)));
    }
    if graph.outputs.is_empty() {
        return Err(GraphError::Graph("a graph without outputs".into()));
    }
    let mut channels = Vec::with_capacity(graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let given = inputs(graph, &channels, &node.inputs)
            .and_then(|inputs| after(&node.operation, &inputs))
            .and_then(|given| match given {
                0 => Err("no channels are left".into()),
                _ if given > MOST_NUMBERS => Err(format!("{given} channels")),
                _ => Ok(given),
            })
            .map_err(|reason| GraphError::Node { node: index, name: node.name.clone(), reason })?;
        channels.push(given);
    }
    inputs(graph, &channels, &graph.outputs).map_err(|reason| GraphError::Graph(format!("outputs: {reason}")))?;
    Ok(channels)
}

fn inputs(graph: &Graph, channels: &[usize], values: &[Value]) -> Result<Vec<usize>, String> {
    let of = |value: &Value| match value {
        Value::Input => Ok(graph.input_channels),
        Value::Node(node) => channels.get(*node).copied().ok_or_else(|| format!("node {node} is not before")),
    };
    values.iter().map(of).collect()
}

/// Channels that an operation gives.
fn after(operation: &Operation, inputs: &[usize]) -> Result<usize, String> {
    if let Operation::Concat = operation {
        return match inputs {
            [] => Err("nothing to join".into()),
            _ => {
                (inputs.iter().try_fold(0_usize, |sum, &next| sum.checked_add(next))).ok_or("too many channels".into())
            }
        };
    }
    if let Operation::Add = operation {
        let [a, b] = inputs else { return Err(format!("a sum of {} inputs, not 2", inputs.len())) };
        return Ok(*a.max(b));
    }
    let &[channels] = inputs else { return Err(format!("{} inputs, not 1", inputs.len())) };
    match operation {
        Operation::Convolution(convolution) => check_convolution(convolution, channels),
        Operation::Activation(activation) => check_activation(activation, channels).map(|()| channels),
        Operation::Affine { scale, offset } => {
            check_length("scales", scale.len(), &[1, channels])?;
            check_length("offsets", offset.len(), &[1, channels])?;
            Ok(channels)
        }
        Operation::Pad { channels: more, padding } => {
            let sides = [padding.top, padding.left, padding.bottom, padding.right];
            if sides.iter().any(|&side| side > MOST_NUMBERS) {
                return Err("too much padding".into());
            }
            channels.checked_add(*more).ok_or_else(|| "too many channels".into())
        }
        Operation::MaxPool(window) | Operation::AveragePool { window, .. } => window.check().map(|()| channels),
        Operation::GlobalAveragePool | Operation::Softmax => Ok(channels),
        Operation::UpsampleNearest { factors } => match factors.iter().all(|factor| (1..=1 << 15).contains(factor)) {
            true => Ok(channels),
            false => Err(format!("each number becomes {factors:?}")),
        },
        Operation::FullyConnected { input, weights, bias } => {
            let numbers = super::shape::numbers(*input)?;
            if input[0] != channels || numbers == 0 {
                return Err(format!("a map of {input:?} is read, but one of {channels} channels given"));
            }
            if weights.is_empty() || !weights.len().is_multiple_of(numbers) {
                return Err(format!("{} weights for a map of {numbers} numbers", weights.len()));
            }
            let outputs = weights.len() / numbers;
            check_length("numbers of the bias", bias.len(), &[0, outputs])?;
            Ok(outputs)
        }
        Operation::Add | Operation::Concat => unreachable!("done above"),
    }
}

fn check_convolution(convolution: &Convolution, channels: usize) -> Result<usize, String> {
    let Convolution { outputs, groups, window, weights, bias } = convolution;
    window.check()?;
    if window.ceil {
        return Err("a convolution has no ceiling".into());
    }
    if *groups == 0 || !channels.is_multiple_of(*groups) || !outputs.is_multiple_of(*groups) {
        return Err(format!("{channels} channels in and {outputs} out do not part into {groups} groups"));
    }
    let numbers = (outputs.checked_mul(channels / groups))
        .and_then(|numbers| numbers.checked_mul(window.kernel[0]))
        .and_then(|numbers| numbers.checked_mul(window.kernel[1]))
        .filter(|&numbers| numbers <= MOST_NUMBERS)
        .ok_or("too many weights")?;
    check_length("weights", weights.len(), &[numbers])?;
    check_length("numbers of the bias", bias.len(), &[0, *outputs])?;
    Ok(*outputs)
}

fn check_activation(activation: &Activation, channels: usize) -> Result<(), String> {
    match activation {
        Activation::PRelu(slopes) => check_length("slopes", slopes.len(), &[1, channels]),
        Activation::Clip { low, high } if low > high || low.is_nan() || high.is_nan() => {
            Err(format!("a clip to {low}…{high}"))
        }
        Activation::Relu | Activation::Sigmoid | Activation::Clip { .. } => Ok(()),
    }
}

fn check_length(what: &str, length: usize, allowed: &[usize]) -> Result<(), String> {
    if allowed.contains(&length) {
        return Ok(());
    }
    let allowed = allowed.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
    Err(format!("{length} {what}, not {allowed}"))
}

//! From an ONNX file to a graph for our kernels.
//!
//! ONNX's tensors carry a batch and may be transposed and reshaped; a map of ours is `[channels, height, width]`. The
//! reshaping that networks do before fully connected layers and to their outputs moves no number of a map, so that it
//! is noted as the [`Form`] in which the map is seen, and done when an output is given.

mod attributes;
mod operations;

use std::collections::HashMap;

use facerecog_kernels::network::{Graph, Node, Operation, Value};
use tract_onnx::pb::NodeProto;

use super::constant::{Constant, Integer};
use crate::model::network::Output;
use crate::model::onnx_file::OnnxFile;

/// What our kernels do not know, or not in this combination.
#[derive(Debug, thiserror::Error)]
#[error("our kernels do not know {0}")]
pub(in crate::model) struct Untranslatable(pub(super) String);

type Result<T> = std::result::Result<T, Untranslatable>;

/// A network as a graph, and what its outputs are called.
pub(super) struct Translation {
    pub(super) graph: Graph,
    /// Name and form of each output of the graph.
    pub(super) outputs: Vec<(String, Form)>,
}

/// How ONNX sees a map; the batch is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `[1, channels, height, width]`.
    Map,
    /// `[1, channels · height · width]`.
    Flat,
    /// `[1, height, width, channels]`.
    ChannelsLast,
    /// `[1, height · width, channels]`.
    Pixels,
    /// `[height · width · channels / columns, columns]`, after a batch of 1 where there is one.
    Rows {
        /// A part of the channels.
        columns: usize,
        /// Whether there is a batch.
        batch: bool,
    },
}

impl Form {
    /// A map, in this form.
    pub(super) fn output(self, [channels, height, width]: [usize; 3], values: &[f32]) -> Output {
        let pixels = height * width;
        let values = match self {
            Self::Map | Self::Flat => values.to_vec(),
            Self::ChannelsLast | Self::Pixels | Self::Rows { .. } => {
                (0..pixels).flat_map(|pixel| values.iter().skip(pixel).step_by(pixels).copied()).collect()
            }
        };
        let shape = match self {
            Self::Map => vec![1, channels, height, width],
            Self::Flat => vec![1, channels * pixels],
            Self::ChannelsLast => vec![1, height, width, channels],
            Self::Pixels => vec![1, pixels, channels],
            Self::Rows { columns, batch: false } => vec![pixels * channels / columns, columns],
            Self::Rows { columns, batch: true } => vec![1, pixels * channels / columns, columns],
        };
        Output { shape, values }
    }
}

/// What a name stands for.
#[derive(Debug, Clone)]
enum Known {
    Constant(Constant),
    Map(Map),
}

/// A value of the graph, as ONNX sees it.
#[derive(Debug, Clone, Copy)]
struct Map {
    value: Value,
    channels: usize,
    /// Height and width, when they do not depend on the image.
    size: Option<[usize; 2]>,
    /// Height and width for images of each of the [`SAMPLES`], or of the one size that the file takes; none where such an
    /// image is too small.
    samples: Option<[[usize; 2]; 2]>,
    form: Form,
}

/// Heights and widths of images by which is found how many times as large as another a map is, where exporters have
/// written the computation of its size. A factor that is the same for both is that of all images whose sides are multiples
/// of 128, the largest stride of detectors; for others, whose maps do not fit each other then, a run is an error.
const SAMPLES: [[usize; 2]; 2] = [[384, 512], [640, 896]];

/// The nodes so far, and what names stand for.
struct Translator {
    opset: i64,
    nodes: Vec<Node>,
    names: HashMap<String, Known>,
}

pub(super) fn translate(file: &OnnxFile<'_>) -> Result<Translation> {
    let (image, input_channels, size) = image_of(file)?;
    let mut translator = Translator { opset: file.opset, nodes: Vec::new(), names: HashMap::new() };
    let samples = Some(size.map_or(SAMPLES, |size| [size; 2]));
    let input = Map { value: Value::Input, channels: input_channels, size, samples, form: Form::Map };
    translator.names.insert(image.to_owned(), Known::Map(input));
    let mut reads = reads_of_weights(file);
    for node in &file.graph.node {
        let [name] = node.output.as_slice() else {
            return Err(Untranslatable(format!("{} with {} outputs", node.op_type, node.output.len())));
        };
        for input in &node.input {
            if let Some(weights) = file.initializers.get(input)
                && !translator.names.contains_key(input)
            {
                translator.names.insert(input.clone(), Known::Constant(Constant::of_file(weights)?));
            }
        }
        let known = translator.node(node).map_err(|Untranslatable(what)| Untranslatable(format!("{what} ({name})")))?;
        translator.names.insert(name.clone(), known);
        // Of a network of hundreds of megabytes, weights are held by the graph alone.
        for input in &node.input {
            if let Some(left) = reads.get_mut(input.as_str()) {
                *left -= 1;
                if *left == 0 {
                    translator.names.remove(input);
                }
            }
        }
    }
    let mut outputs = Vec::new();
    let mut values = Vec::new();
    for output in &file.graph.output {
        let map = translator.map_called(&output.name)?;
        values.push(map.value);
        outputs.push((output.name.clone(), map.form));
    }
    Ok(Translation { graph: Graph { input_channels, nodes: translator.nodes, outputs: values }, outputs })
}

/// How often nodes read each initialiser.
fn reads_of_weights<'f>(file: &'f OnnxFile<'_>) -> HashMap<&'f str, usize> {
    let mut reads = HashMap::new();
    for input in file.graph.node.iter().flat_map(|node| &node.input) {
        if file.initializers.contains_key(input) {
            *reads.entry(input.as_str()).or_insert(0) += 1;
        }
    }
    reads
}

/// Name, channels and, where the file fixes it, size of the one image.
fn image_of<'f>(file: &'f OnnxFile<'_>) -> Result<(&'f str, usize, Option<[usize; 2]>)> {
    let inputs = file.inputs();
    let [(name, sides)] = inputs.as_slice() else {
        return Err(Untranslatable(format!("{} inputs", inputs.len())));
    };
    match *sides.as_slice() {
        [None | Some(1), Some(channels), height, width] => {
            Ok((name, channels, height.zip(width).map(|(height, width)| [height, width])))
        }
        _ => Err(Untranslatable(format!("an input of the shape {sides:?}"))),
    }
}

impl Translator {
    fn map_called(&self, name: &str) -> Result<Map> {
        match self.names.get(name) {
            Some(Known::Map(map)) => Ok(*map),
            Some(Known::Constant(_)) => Err(Untranslatable(format!("a constant where a map is due, {name}"))),
            None => Err(Untranslatable(format!("the name {name}"))),
        }
    }

    /// What the input of this index stands for; `None` for one that is left out.
    fn input(&self, node: &NodeProto, index: usize) -> Result<Option<&Known>> {
        match node.input.get(index).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(name) => self.names.get(name).map(Some).ok_or_else(|| Untranslatable(format!("the name {name}"))),
        }
    }

    fn map(&self, node: &NodeProto, index: usize) -> Result<Map> {
        match self.input(node, index)? {
            Some(Known::Map(map)) => Ok(*map),
            _ => Err(Untranslatable(format!("{} of a constant", node.op_type))),
        }
    }

    /// Shape and numbers of a constant input; `None` for one that is left out.
    fn numbers(&self, node: &NodeProto, index: usize) -> Result<Option<(&[usize], &[f32])>> {
        match self.input(node, index)? {
            None => Ok(None),
            Some(Known::Constant(Constant::Numbers { shape, values })) => Ok(Some((shape, values))),
            Some(_) => Err(Untranslatable(format!("{} whose input {index} is no constant of f32", node.op_type))),
        }
    }

    /// A constant input of integers; `None` for one that is left out.
    fn integers(&self, node: &NodeProto, index: usize) -> Result<Option<&[Integer]>> {
        match self.input(node, index)? {
            None => Ok(None),
            Some(Known::Constant(Constant::Integers(integers))) => Ok(Some(integers)),
            Some(_) => Err(Untranslatable(format!("{} whose input {index} is no constant of integers", node.op_type))),
        }
    }

    /// A node of the graph.
    fn push(&mut self, node: &NodeProto, operation: Operation, inputs: Vec<Value>, like: Map) -> Known {
        let name = node.output.first().cloned().unwrap_or_default();
        self.nodes.push(Node { name, operation, inputs });
        Known::Map(Map { value: Value::Node(self.nodes.len() - 1), ..like })
    }
}

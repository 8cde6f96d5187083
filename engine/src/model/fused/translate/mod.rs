//! From an ONNX file to a graph for our kernels.
//!
//! ONNX's tensors carry a batch and may be transposed and reshaped; a map of ours is `[channels, height, width]`. The
//! reshaping that networks do before fully connected layers and to their outputs moves no number of a map, so that it
//! is noted as the [`Form`] in which the map is seen, and done when an output is given.

mod attributes;
mod operations;

use std::collections::HashMap;
use std::io::Cursor;

use facerecog_kernels::network::{Graph, Node, Operation, Value};
use tract_onnx::pb::{GraphProto, NodeProto, ValueInfoProto, tensor_shape_proto, type_proto};
use tract_onnx::prelude::Framework;

use super::constant::Constant;
use crate::model::network::Output;

/// What our kernels do not know, or not in this combination.
#[derive(Debug, thiserror::Error)]
#[error("our kernels do not know {0}")]
pub(in crate::model) struct Untranslatable(pub(super) String);

type Result<T> = std::result::Result<T, Untranslatable>;

/// A network as a graph, and what its outputs are called.
pub(super) struct Translation {
    pub(super) graph: Graph,
    /// Height and width of the image, where the file fixes them.
    pub(super) size: Option<[usize; 2]>,
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
    /// `[height · width · channels / columns, columns]`.
    Rows {
        /// A part of the channels.
        columns: usize,
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
            Self::Rows { columns } => vec![pixels * channels / columns, columns],
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
    form: Form,
}

/// The nodes so far, and what names stand for.
struct Translator {
    opset: i64,
    nodes: Vec<Node>,
    names: HashMap<String, Known>,
}

pub(super) fn translate(onnx: &[u8]) -> Result<Translation> {
    let model = tract_onnx::onnx()
        .proto_model_for_read(&mut Cursor::new(onnx))
        .map_err(|error| Untranslatable(format!("the file: {error:#}")))?;
    let opset = model.opset_import.iter().filter(|set| set.domain.is_empty()).map(|set| set.version).max();
    let graph = model.graph.as_ref().ok_or_else(|| Untranslatable("a file without a graph".into()))?;
    let (image, input_channels, size) = image_of(graph)?;
    let mut translator = Translator { opset: opset.unwrap_or(0), nodes: Vec::new(), names: HashMap::new() };
    let input = Map { value: Value::Input, channels: input_channels, size, form: Form::Map };
    translator.names.insert(image.to_owned(), Known::Map(input));
    for tensor in &graph.initializer {
        translator.names.insert(tensor.name.clone(), Known::Constant(Constant::read(tensor)?));
    }
    for node in &graph.node {
        let [name] = node.output.as_slice() else {
            return Err(Untranslatable(format!("{} with {} outputs", node.op_type, node.output.len())));
        };
        let known = translator.node(node).map_err(|Untranslatable(what)| Untranslatable(format!("{what} ({name})")))?;
        translator.names.insert(name.clone(), known);
    }
    let mut outputs = Vec::new();
    let mut values = Vec::new();
    for output in &graph.output {
        let map = translator.map_called(&output.name)?;
        values.push(map.value);
        outputs.push((output.name.clone(), map.form));
    }
    Ok(Translation { graph: Graph { input_channels, nodes: translator.nodes, outputs: values }, size, outputs })
}

/// Name, channels and, where the file fixes it, size of the one image.
fn image_of(graph: &GraphProto) -> Result<(&str, usize, Option<[usize; 2]>)> {
    let is_weight = |input: &ValueInfoProto| graph.initializer.iter().any(|tensor| tensor.name == input.name);
    let inputs: Vec<&ValueInfoProto> = graph.input.iter().filter(|input| !is_weight(input)).collect();
    let [input] = inputs.as_slice() else {
        return Err(Untranslatable(format!("{} inputs", inputs.len())));
    };
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|of| of.value.as_ref()) else {
        return Err(Untranslatable("an input that is no tensor".into()));
    };
    let sides: Vec<Option<usize>> = tensor.shape.iter().flat_map(|shape| &shape.dim).map(side).collect();
    match *sides.as_slice() {
        [None | Some(1), Some(channels), height, width] => {
            Ok((&input.name, channels, height.zip(width).map(|(height, width)| [height, width])))
        }
        _ => Err(Untranslatable(format!("an input of the shape {sides:?}"))),
    }
}

fn side(dim: &tensor_shape_proto::Dimension) -> Option<usize> {
    match dim.value {
        Some(tensor_shape_proto::dimension::Value::DimValue(side)) => {
            usize::try_from(side).ok().filter(|&side| side > 0)
        }
        _ => None,
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
    fn integers(&self, node: &NodeProto, index: usize) -> Result<Option<&[Option<i64>]>> {
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

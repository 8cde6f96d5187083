//! ONNX files, read where they lie: weights stay in the file's bytes until somebody asks for them.

use std::collections::HashMap;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto, ValueInfoProto, tensor_shape_proto, type_proto};

/// Numbers of fields in `onnx.proto`.
const GRAPH_OF_MODEL: u32 = 7;
const INITIALIZER_OF_GRAPH: u32 = 5;
const RAW_DATA_OF_TENSOR: u32 = 9;

/// A network's file.
pub(super) struct OnnxFile<'a> {
    /// Version of ONNX's own operators, 0 when the file says none.
    pub(super) opset: i64,
    /// The graph without its initialisers.
    pub(super) graph: GraphProto,
    /// The initialisers by name.
    pub(super) initializers: HashMap<String, Weights<'a>>,
}

/// A tensor of the file.
pub(super) struct Weights<'a> {
    /// All but `raw_data`.
    pub(super) tensor: TensorProto,
    /// `raw_data`, little-endian.
    pub(super) raw: &'a [u8],
}

impl<'a> OnnxFile<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let broken = |error: DecodeError| format!("it is no ONNX file, or a part of one: {error}");
        let mut graphs = Vec::new();
        let model: ModelProto = without(GRAPH_OF_MODEL, bytes, |graph| graphs.push(graph)).map_err(broken)?;
        // As protobuf has it, several are parts of one.
        let (mut graph, mut initializers) = (GraphProto::default(), HashMap::new());
        for part in graphs.iter().copied() {
            let mut encoded = Vec::new();
            let rest: GraphProto =
                without(INITIALIZER_OF_GRAPH, part, |tensor| encoded.push(tensor)).map_err(broken)?;
            graph.merge(rest.encode_to_vec().as_slice()).map_err(broken)?;
            for tensor in encoded {
                let weights = Weights::parse(tensor).map_err(broken)?;
                if !weights.tensor.external_data.is_empty() {
                    return Err("it keeps weights in another file; save it as one, in Python by \
                                onnx.save(onnx.load(FILE), OTHER_FILE)"
                        .to_owned());
                }
                initializers.insert(weights.tensor.name.clone(), weights);
            }
        }
        if graphs.is_empty() {
            return Err("it is no ONNX file: it has no graph".to_owned());
        }
        let opset = model.opset_import.iter().filter(|set| set.domain.is_empty()).map(|set| set.version).max();
        Ok(Self { opset: opset.unwrap_or(0), graph, initializers })
    }

    /// Name and sides of each input that is not a weight; `None` for sides that the file leaves open.
    pub(super) fn inputs(&self) -> Vec<(&str, Vec<Option<usize>>)> {
        let images = self.graph.input.iter().filter(|input| !self.initializers.contains_key(&input.name));
        images.map(|input| (input.name.as_str(), sides(input))).collect()
    }

    /// Height and width of the one image, where the file fixes them.
    pub(super) fn image_size(&self) -> Option<[usize; 2]> {
        match self.inputs().as_slice() {
            [(_, sides)] => match sides.as_slice() {
                &[_, _, Some(height), Some(width)] => Some([height, width]),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'a> Weights<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut raw: &[u8] = &[];
        let tensor = without(RAW_DATA_OF_TENSOR, bytes, |data| raw = data)?;
        Ok(Self { tensor, raw })
    }
}

/// None for what is no tensor.
fn sides(input: &ValueInfoProto) -> Vec<Option<usize>> {
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|of| of.value.as_ref()) else {
        return Vec::new();
    };
    tensor.shape.iter().flat_map(|shape| &shape.dim).map(side).collect()
}

fn side(dim: &tensor_shape_proto::Dimension) -> Option<usize> {
    match dim.value {
        Some(tensor_shape_proto::dimension::Value::DimValue(side)) => {
            usize::try_from(side).ok().filter(|&side| side > 0)
        }
        _ => None,
    }
}

/// A message that is read without the fields of one number, whose bytes `each` gets in their order.
fn without<'a, M: Message + Default>(
    field: u32,
    message: &'a [u8],
    mut each: impl FnMut(&'a [u8]),
) -> Result<M, DecodeError> {
    let (mut rest, mut others) = (message, Vec::new());
    while !rest.is_empty() {
        let begin = rest;
        let (number, wire_type) = decode_key(&mut rest)?;
        let value = rest;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        if number == field && wire_type == WireType::LengthDelimited {
            let mut content = &value[..value.len() - rest.len()];
            decode_varint(&mut content)?;
            each(content);
        } else {
            others.extend_from_slice(&begin[..begin.len() - rest.len()]);
        }
    }
    M::decode(others.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_there_and_weights_are_where_they_lie() {
        for sha256 in [
            "605fe5114c218d5d4c482dcc2ae240cf9ec688754c3bf7b341393bc8ec3fddac",
            "a723de371c0a2d99866391ebd879c0986763ceb48caa78ecd71f96bbb271244a",
        ] {
            let bytes = facerecog_models::builtin(sha256).unwrap();
            let whole = ModelProto::decode(bytes).unwrap();
            let mut graph = whole.graph.unwrap();
            let file = OnnxFile::parse(bytes).unwrap();
            assert_eq!(file.initializers.len(), graph.initializer.len());
            for tensor in std::mem::take(&mut graph.initializer) {
                let weights = &file.initializers[&tensor.name];
                assert_eq!(weights.raw, tensor.raw_data);
                assert!(tensor.raw_data.is_empty() || bytes.as_ptr_range().contains(&weights.raw.as_ptr()));
                assert_eq!(weights.tensor, TensorProto { raw_data: Vec::new(), ..tensor });
            }
            assert_eq!(file.graph, graph);
            assert_eq!(file.inputs().len(), 1);
        }
    }

    #[test]
    fn no_part_of_a_file_is_a_panic() {
        let bytes =
            facerecog_models::builtin("ccf1f0997a32e6f78e6b38479e2c6c12d6e7fdd62976f319cba49f78d526b685").unwrap();
        for end in (0..bytes.len()).step_by(7) {
            // A cut between fields leaves a message.
            let _ = OnnxFile::parse(&bytes[..end]);
        }
        assert!(OnnxFile::parse(b"").is_err() && OnnxFile::parse(b"not a network").is_err());
    }
}

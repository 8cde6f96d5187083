//! Numbers that an ONNX file holds.

use tract_onnx::data_resolver;
use tract_onnx::pb::TensorProto;
use tract_onnx::prelude::*;
use tract_onnx::tensor::load_tensor;

use super::translate::Untranslatable;
use crate::model::onnx_file::Weights;

/// ONNX's number of f32.
const FLOAT: i32 = 1;

/// ONNX's numbers of the types of elements that are read here: f32, i32, i64, f16, f64.
const ELEMENTS: [i32; 5] = [FLOAT, 6, 7, 10, 11];

/// A tensor of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant {
    /// Weights and the like.
    Numbers {
        /// Sides of the tensor.
        shape: Vec<usize>,
        /// In row-major order.
        values: Vec<f32>,
    },
    /// Shapes and the like.
    Integers(Vec<Integer>),
}

/// A whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    /// The same for all images.
    Known(i64),
    /// One that depends on the size of the image: those for images of two sizes, where they are known.
    OfImage(Option<[i64; 2]>),
}

impl Integer {
    /// The number, where it is the same for all images.
    pub(super) fn known(self) -> Option<i64> {
        match self {
            Self::Known(number) => Some(number),
            Self::OfImage(_) => None,
        }
    }
}

impl Constant {
    /// An initialiser. One of f32, as large ones are, is copied once.
    pub(super) fn of_file(weights: &Weights<'_>) -> Result<Self, Untranslatable> {
        let Weights { tensor, raw } = weights;
        if tensor.data_type != FLOAT || raw.is_empty() || !tensor.external_data.is_empty() {
            return Self::read(&TensorProto { raw_data: raw.to_vec(), ..tensor.clone() });
        }
        let shape: Option<Vec<usize>> = tensor.dims.iter().map(|&side| usize::try_from(side).ok()).collect();
        let numbers =
            shape.as_ref().and_then(|shape| shape.iter().try_fold(1, |all: usize, &side| all.checked_mul(side)));
        let (numbers, rest) = (numbers.zip(Some(raw.as_chunks().0)), raw.len() % size_of::<f32>());
        match (shape, numbers) {
            (Some(shape), Some((numbers, chunks))) if chunks.len() == numbers && rest == 0 => {
                Ok(Self::Numbers { shape, values: chunks.iter().copied().map(f32::from_le_bytes).collect() })
            }
            _ => Err(Untranslatable(format!(
                "tensor {:?}: {} bytes for the shape {:?}",
                tensor.name,
                raw.len(),
                tensor.dims
            ))),
        }
    }

    pub(super) fn read(tensor: &TensorProto) -> Result<Self, Untranslatable> {
        if !ELEMENTS.contains(&tensor.data_type) || !tensor.external_data.is_empty() {
            return Err(Untranslatable(format!("a tensor of type {}, {:?}", tensor.data_type, tensor.name)));
        }
        let broken = |error: TractError| Untranslatable(format!("tensor {:?}: {error:#}", tensor.name));
        let tensor = load_tensor(&*data_resolver::default(), tensor, None).map_err(broken)?;
        let (shape, integers) = (tensor.shape().to_vec(), tensor.datum_type().is_integer());
        if integers {
            let tensor = tensor.cast_to::<i64>().map_err(broken)?;
            let view = tensor.to_plain_array_view::<i64>().map_err(broken)?;
            return Ok(Self::Integers(view.iter().copied().map(Integer::Known).collect()));
        }
        let tensor = tensor.cast_to::<f32>().map_err(broken)?;
        let view = tensor.to_plain_array_view::<f32>().map_err(broken)?;
        Ok(Self::Numbers { shape, values: view.iter().copied().collect() })
    }
}

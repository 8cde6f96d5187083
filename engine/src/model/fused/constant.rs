//! Numbers that an ONNX file holds.

use tract_onnx::data_resolver;
use tract_onnx::pb::TensorProto;
use tract_onnx::prelude::*;
use tract_onnx::tensor::load_tensor;

use super::translate::Untranslatable;

/// ONNX's numbers of the types of elements that are read here: f32, i32, i64, f16, f64.
const ELEMENTS: [i32; 5] = [1, 6, 7, 10, 11];

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
    /// Shapes and the like; `None` where the number depends on the size of the image.
    Integers(Vec<Option<i64>>),
}

impl Constant {
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
            return Ok(Self::Integers(view.iter().copied().map(Some).collect()));
        }
        let tensor = tensor.cast_to::<f32>().map_err(broken)?;
        let view = tensor.to_plain_array_view::<f32>().map_err(broken)?;
        Ok(Self::Numbers { shape, values: view.iter().copied().collect() })
    }
}

//! PReLU as one pass over the data.
//!
//! tract spells it out as a multiplication, a comparison and a selection with a tensor each, which
//! takes more time in MTCNN's networks than their convolutions do.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::expandable::{Expansion, expand};

/// The parser of ONNX files with our PReLU in place of tract's.
pub(super) fn onnx_with_prelu() -> tract_onnx::Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert("PRelu", |_, _| Ok((expand(OnnxPrelu), vec![])));
    onnx
}

/// ONNX's operator: `x` where it is positive, else `slope · x`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OnnxPrelu;

impl Expansion for OnnxPrelu {
    fn name(&self) -> StaticName {
        "PRelu".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        solver.equals(&inputs[0].shape, &outputs[0].shape)?;
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let (input, slope) = (model.outlet_fact(inputs[0])?, model.outlet_fact(inputs[1])?);
        ensure!(
            input.datum_type == f32::datum_type() && slope.datum_type == f32::datum_type() && input.rank() >= 2,
            "PRelu of {input:?} by {slope:?} is not supported"
        );
        // A slope for each channel, or one for all: what networks are trained with.
        let slopes = slope.shape.volume();
        ensure!(
            slopes.is_one()
                || (slopes == input.shape[1] && slope.shape.iter().filter(|side| !side.is_one()).count() <= 1),
            "PRelu with slopes of the shape {:?} is not supported",
            slope.shape
        );
        model.wire_node(prefix, Prelu, inputs)
    }
}

/// `x` [N, C, …] and slopes (C of them, or 1), f32.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Prelu;

impl Op for Prelu {
    fn name(&self) -> StaticName {
        "Prelu".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Prelu {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (input, slopes) = args_2!(inputs);
        let mut tensor = input.into_tensor();
        let channels = tensor.shape()[1];
        let plane: usize = tensor.shape()[2..].iter().product();
        let slopes = slopes.to_plain_array_view::<f32>()?;
        let slopes = slopes.as_slice().context("slopes are contiguous")?;
        let mut values = tensor.to_plain_array_view_mut::<f32>()?;
        let values = values.as_slice_mut().context("activations are contiguous")?;
        for (index, plane) in values.chunks_exact_mut(plane.max(1)).enumerate() {
            let slope = if slopes.len() == 1 { slopes[0] } else { slopes[index % channels] };
            plane.iter_mut().for_each(|value| *value = value.max(0.0) + slope * value.min(0.0));
        }
        Ok(tvec!(tensor.into_tvalue()))
    }
}

impl TypedOp for Prelu {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}

//! Attributes of ONNX nodes.

use facerecog_kernels::network::{Padding, Window};
use tract_onnx::pb::{AttributeProto, NodeProto};

use super::{Result, Untranslatable};

pub(super) fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

pub(super) fn integer(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |attribute| attribute.i)
}

pub(super) fn number(node: &NodeProto, name: &str, default: f32) -> f32 {
    attribute(node, name).map_or(default, |attribute| attribute.f)
}

pub(super) fn text<'n>(node: &'n NodeProto, name: &str, default: &'n str) -> &'n str {
    attribute(node, name).and_then(|attribute| std::str::from_utf8(&attribute.s).ok()).unwrap_or(default)
}

pub(super) fn integers<'n>(node: &'n NodeProto, name: &str) -> Option<&'n [i64]> {
    attribute(node, name).map(|attribute| attribute.ints.as_slice())
}

/// The windows of a convolution or a pool.
pub(super) fn window(node: &NodeProto, kernel: [usize; 2]) -> Result<Window> {
    if !matches!(text(node, "auto_pad", "NOTSET"), "NOTSET" | "") {
        return Err(Untranslatable(format!("{} with automatic padding", node.op_type)));
    }
    let pair = |name| sides(node, name).map(|sides| sides.unwrap_or([1, 1]));
    let [top, left, bottom, right] = sides(node, "pads")?.unwrap_or([0; 4]);
    Ok(Window {
        kernel,
        stride: pair("strides")?,
        dilation: pair("dilations")?,
        padding: Padding { top, left, bottom, right },
        ceil: integer(node, "ceil_mode", 0) != 0,
    })
}

/// As many sides as a window has.
pub(super) fn sides<const N: usize>(node: &NodeProto, name: &str) -> Result<Option<[usize; N]>> {
    let Some(integers) = integers(node, name) else { return Ok(None) };
    let sides: Vec<usize> = integers.iter().filter_map(|&side| usize::try_from(side).ok()).collect();
    match <[usize; N]>::try_from(sides) {
        Ok(sides) if integers.len() == N => Ok(Some(sides)),
        _ => Err(Untranslatable(format!("{} with {name} {integers:?}", node.op_type))),
    }
}

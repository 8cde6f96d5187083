//! Sizes of maps. All arithmetic is checked: kernels get pointers only into maps whose sizes came from here.

use std::ops::Range;

use super::graph::Window;

/// `[channels, height, width]` of a map.
pub(super) type Shape = [usize; 3];

/// Most numbers that one map may have, 4 GiB of f32.
pub(super) const MOST_NUMBERS: usize = 1 << 30;

/// Numbers of a map, when there are not too many.
pub(super) fn numbers(shape: Shape) -> Result<usize, String> {
    let [channels, height, width] = shape;
    (channels.checked_mul(height).and_then(|n| n.checked_mul(width)))
        .filter(|&numbers| numbers <= MOST_NUMBERS)
        .ok_or_else(|| format!("a map of {channels}×{height}×{width} has more than {MOST_NUMBERS} numbers"))
}

impl Window {
    /// What can be said without the size of the map.
    pub(super) fn check(&self) -> Result<(), String> {
        let sides = [self.kernel, self.stride, self.dilation];
        if sides.iter().flatten().any(|&side| side == 0) {
            return Err("a kernel, stride or dilation of 0".into());
        }
        // A window of more has no use, and below it no sum overflows.
        const MOST: usize = 1 << 15;
        let padding = [self.padding.top, self.padding.left, self.padding.bottom, self.padding.right];
        if sides.iter().flatten().chain(&padding).any(|&side| side > MOST) {
            return Err(format!("a kernel, stride, dilation or padding over {MOST}"));
        }
        Ok(())
    }

    /// Windows in a column and in a row of a map of `[height, width]`.
    ///
    /// # Errors
    /// When there is no room for one.
    pub fn count(&self, [height, width]: [usize; 2]) -> Result<[usize; 2], String> {
        let padding = self.padding;
        let rows = self.count_along(0, height, (padding.top, padding.bottom))?;
        let columns = self.count_along(1, width, (padding.left, padding.right))?;
        Ok([rows, columns])
    }

    /// Rows of a map of `height` rows that rows of windows see. Both ends grow with those of `rows`, also where `rows`
    /// are none.
    pub(super) fn rows_read(&self, rows: Range<usize>, height: usize) -> Range<usize> {
        let Self { kernel, stride, dilation, padding, .. } = self;
        let begin = (rows.start * stride[0]).saturating_sub(padding.top).min(height);
        let end = (rows.end * stride[0] + (kernel[0] - 1) * dilation[0] + 1).saturating_sub(stride[0] + padding.top);
        begin..end.min(height).max(begin)
    }

    /// Rows that so many rows of windows see where they are all within the map.
    pub(super) fn rows_beneath(&self, rows: usize) -> usize {
        let Self { kernel, stride, dilation, .. } = self;
        rows.saturating_sub(1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1
    }

    fn count_along(&self, axis: usize, side: usize, (before, after): (usize, usize)) -> Result<usize, String> {
        let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
        let extent = dilation * (kernel - 1) + 1;
        let padded = side.checked_add(before + after).ok_or("the map is too large")?;
        let room = padded.checked_sub(extent).ok_or_else(|| {
            format!("a window of {extent} is larger than {side} with a padding of {before} and {after}")
        })?;
        let count = room / stride + 1;
        // As in ONNX, a window of the ceiling has to begin within the map or before it.
        let one_more = self.ceil && !room.is_multiple_of(stride) && count * stride < side + before;
        Ok(count + usize::from(one_more))
    }
}

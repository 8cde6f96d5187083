//! Interleaved RGB8 → the planar f32 that networks take.

use std::ops::Range;

use crate::model::Channels;
use crate::photo::Photo;

/// For each plane of the input, which byte of a pixel it is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChannelOrder([usize; 3]);

impl ChannelOrder {
    pub(crate) const RGB: Self = Self([0, 1, 2]);
    pub(crate) const BGR: Self = Self([2, 1, 0]);
}

impl From<Channels> for ChannelOrder {
    fn from(channels: Channels) -> Self {
        match channels {
            Channels::Rgb => Self::RGB,
            Channels::Bgr => Self::BGR,
        }
    }
}

/// RGB8 pixels as planes (NCHW, N = 1) of `(value − mean) × scale`, channel by channel of the
/// network's order.
pub(crate) fn planes(photo: &Photo, order: ChannelOrder, mean: [f32; 3], scale: [f32; 3]) -> Vec<f32> {
    let pixels = photo.rgb().len() / 3;
    let mut planes = Vec::with_capacity(3 * pixels);
    for c in 0..3 {
        let (source, mean, scale) = (order.0[c], mean[c], scale[c]);
        planes.extend(photo.rgb().chunks_exact(3).map(|pixel| (f32::from(pixel[source]) - mean) * scale));
    }
    planes
}

/// Planes of 0…255, `width × height` in size: zeros around the photo, whose top-left pixel lies
/// `margin` pixels from the left and from the top.
pub(crate) fn padded_planes(
    photo: &Photo,
    margin: usize,
    width: usize,
    height: usize,
    order: ChannelOrder,
) -> Vec<f32> {
    padded_rows(photo, margin, width, 0..height, order)
}

/// Some rows of [`padded_planes`].
pub(crate) fn padded_rows(
    photo: &Photo,
    margin: usize,
    width: usize,
    rows: Range<usize>,
    order: ChannelOrder,
) -> Vec<f32> {
    let row_bytes = photo.width() as usize * 3;
    let mut planes = vec![0.0; 3 * width * rows.len()];
    for (plane, source) in planes.chunks_exact_mut(width * rows.len()).zip(order.0) {
        for (padded, row) in plane.chunks_exact_mut(width).zip(rows.clone()) {
            let pixels = row.checked_sub(margin).and_then(|row| photo.rgb().chunks_exact(row_bytes).nth(row));
            for (value, pixel) in padded[margin..].iter_mut().zip(pixels.unwrap_or_default().chunks_exact(3)) {
                *value = f32::from(pixel[source]);
            }
        }
    }
    planes
}

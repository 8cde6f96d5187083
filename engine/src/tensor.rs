//! Interleaved RGB8 → the planar f32 that networks take.

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
    let mut planes = vec![0.0; 3 * width * height];
    for (plane, source) in planes.chunks_exact_mut(width * height).zip(order.0) {
        let rows = photo.rgb().chunks_exact(photo.width() as usize * 3);
        for (padded, row) in plane.chunks_exact_mut(width).skip(margin).zip(rows) {
            for (value, pixel) in padded[margin..].iter_mut().zip(row.chunks_exact(3)) {
                *value = f32::from(pixel[source]);
            }
        }
    }
    planes
}

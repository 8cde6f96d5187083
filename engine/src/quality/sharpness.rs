//! How much detail there is, and how much of it is noise.
//!
//! The variance of the Laplacian is a common measure of focus (Pech-Pacheco et al., "Diatom autofocusing in brightfield
//! microscopy", ICPR 2000; among the features of sharpness of ISO/IEC 29794-5). It grows with contrast, which says nothing
//! of focus, and with noise; both are measured besides.

use super::plane::{Plane, Region};
use crate::detect::Landmarks;

/// Distance of the eyes in blocks, on which detail is measured: that of a crop of 112 pixels, halved. Finer detail is as
/// much noise as face.
const EYES: f32 = 17.6;

/// Keep logarithms finite on a plane of one colour: about what rounding to whole numbers alone makes.
const LEAST_LAPLACIAN: f32 = 0.5;
const LEAST_CONTRAST: f32 = 10.0;

/// Sharpness and signal to noise, as [`FaceMeasurements`](super::FaceMeasurements) has them, of the luma of a crop.
pub(super) fn sharpness(luma: &Plane, region: &Region, template: &Landmarks) -> (f32, f32) {
    let block = (template[0].distance(template[1]) / EYES).round().max(1.0) as usize;
    let (blocks, in_blocks) = luma.blocks(block, region);
    let coarse = blocks.laplacian_variance(&in_blocks) + LEAST_LAPLACIAN;
    let contrast = blocks.variance(&in_blocks) + LEAST_CONTRAST;
    let fine = luma.laplacian_variance(region) + LEAST_LAPLACIAN;
    ((coarse / contrast).ln(), (coarse / fine).ln())
}

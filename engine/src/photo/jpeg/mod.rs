//! JPEG: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK, as far as the file goes.

mod header;
mod whole;

use facerecog_kernels::Kernels;
use facerecog_kernels::jpeg::Reduction;
use image::metadata::Orientation;

use super::{Limits, Photo, PhotoErrorKind, Stored, orientation};
use header::Header;

/// Decodes `bytes` into pixels as they are stored, their sides reduced where the file is of the usual kind, and how to
/// turn them upright. The limits hold for the photo, not for what it is reduced to.
pub(super) fn decode(bytes: &[u8], limits: &Limits, reduction: Reduction) -> Result<Stored, PhotoErrorKind> {
    let whole = || whole::decode(bytes, limits).map(Stored::whole);
    let Some(header) = Header::read(bytes) else { return whole() };
    let (width, height) = header.scan.size();
    limits.check_size(width, height)?;
    limits.check_memory(width, height, whole::decode_bytes(width, height, header.scan.components()))?;
    let (across, down) = (reduction.reduced(width), reduction.reduced(height));
    let mut rgb = vec![0; across as usize * down as usize * 3];
    let decoded = Kernels::chosen().decode_jpeg(&header.scan, header.data, reduction, &mut rgb);
    if decoded.units == 0 {
        // The other decoder says what is wrong, or finds more.
        return whole();
    }
    if !decoded.is_whole() {
        tracing::debug!(decoded.units, decoded.of, "damaged JPEG decoded as far as it goes");
    }
    let orientation = header.exif.map_or(Orientation::NoTransforms, orientation::from_exif);
    Ok(Stored { photo: Photo::from_rgb(across, down, rgb), orientation, reduction, width, height })
}

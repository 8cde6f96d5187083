//! WebP, GIF, BMP, TIFF and PNM: the formats of which a whole file is either good or not.

use std::io::Cursor;

use image::error::ImageError;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::{Limits, Photo, PhotoErrorKind, orientation, webp};

/// Decodes `bytes` into pixels as they are stored, and how to turn them upright. Of an animation
/// the first frame, of several pages the first.
pub(super) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    limits: &Limits,
) -> Result<(Photo, Orientation), PhotoErrorKind> {
    let broken = |error: ImageError| PhotoErrorKind::Broken { format: name, reason: error.to_string() };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // The size is checked below, by limits of ours that name what is exceeded.
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(PhotoErrorKind::Broken { format: name, reason: "it has no pixels".into() });
    }
    limits.check_size(width, height)?;
    // The pixels as stored, once more in the decoder's own buffers, and as RGB.
    let stored = decoder.total_bytes();
    let converted = match decoder.color_type() {
        ColorType::Rgb8 => 0,
        _ => u64::from(width) * u64::from(height) * 3,
    };
    limits.check_memory(width, height, stored.saturating_mul(2).saturating_add(converted))?;
    let mut allowed = image::Limits::no_limits();
    allowed.max_alloc = Some(limits.max_decode_bytes - converted);
    let out_of_limits = |error| match error {
        ImageError::Limits(_) => limits.out_of_memory(width, height),
        error => broken(error),
    };
    decoder.set_limits(allowed).map_err(out_of_limits)?;

    let orientation = if format == ImageFormat::WebP {
        webp::exif(bytes).map_or(Orientation::NoTransforms, orientation::from_exif)
    } else {
        match decoder.exif_metadata().unwrap_or_default() {
            Some(exif) => orientation::from_exif(&exif),
            None => decoder.orientation().unwrap_or(Orientation::NoTransforms),
        }
    };
    let rgb = DynamicImage::from_decoder(decoder).map_err(out_of_limits)?.into_rgb8();
    Ok((Photo::from_rgb(width, height, rgb.into_raw()), orientation))
}

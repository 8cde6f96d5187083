//! PNG, as far as the file goes.

use std::io::Cursor;

use image::metadata::Orientation;
use png::{ColorType, Decoder, InterlaceInfo, Reader, Transformations};

use super::{Limits, Photo, PhotoErrorKind, orientation};

/// Decodes `bytes` into pixels as they are stored, and how to turn them upright. Of an animation,
/// the still image that stands for it.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<(Photo, Orientation), PhotoErrorKind> {
    let max_bytes = usize::try_from(limits.max_decode_bytes).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: max_bytes });
    // Both may be compressed a thousandfold, and neither is needed.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    // Palettes and 1, 2 and 4 bits to 8 bits; of 16 bits the upper 8.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let (width, height) = decoder.read_header_info().map_err(broken)?.size();
    limits.check_size(width, height)?;
    limits.check_memory(width, height, u64::from(width) * u64::from(height) * 3)?;
    let mut reader = decoder.read_info().map_err(broken)?;

    let stride = width as usize * 3;
    let mut rgb = vec![0; stride * height as usize];
    let mut rows = 0;
    if let Err(error) = read_rows(&mut reader, &mut rgb, stride, &mut rows) {
        if rows == 0 {
            return Err(broken(error));
        }
        tracing::debug!(%error, rows, "damaged PNG decoded as far as it goes");
    }
    // The orientation may follow the pixels; a file that ends without it has none.
    let _ = reader.finish();
    let exif = reader.info().exif_metadata.as_deref();
    let orientation = exif.map_or(Orientation::NoTransforms, orientation::from_exif);
    Ok((Photo::from_rgb(width, height, rgb), orientation))
}

/// Fills `rgb` row by row, so that what precedes an error is kept, counting in `rows`.
fn read_rows(
    reader: &mut Reader<Cursor<&[u8]>>,
    rgb: &mut [u8],
    stride: usize,
    rows: &mut usize,
) -> Result<(), png::DecodingError> {
    let (color, _) = reader.output_color_type();
    let mut pass = Vec::with_capacity(stride);
    while let Some(row) = reader.next_interlaced_row()? {
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                let Some(target) = rgb.chunks_exact_mut(stride).nth(*rows) else { break };
                write_rgb(color, row.data(), target);
            }
            InterlaceInfo::Adam7(place) => {
                pass.resize(row.data().len() / color.samples() * 3, 0);
                write_rgb(color, row.data(), &mut pass);
                // Spread over the pixels of later passes, which overwrite it if they ever come.
                png::splat_interlaced_row(rgb, stride, &pass, place, 24);
            }
        }
        *rows += 1;
    }
    Ok(())
}

/// One row of 8-bit samples as RGB; alpha is dropped, not blended.
fn write_rgb(color: ColorType, row: &[u8], rgb: &mut [u8]) {
    let pixels = rgb.chunks_exact_mut(3);
    match color {
        ColorType::Grayscale | ColorType::Indexed => pixels.zip(row).for_each(|(pixel, &grey)| pixel.fill(grey)),
        ColorType::GrayscaleAlpha => {
            pixels.zip(row.chunks_exact(2)).for_each(|(pixel, samples)| pixel.fill(samples[0]));
        }
        ColorType::Rgb => rgb.copy_from_slice(row),
        ColorType::Rgba => {
            pixels.zip(row.chunks_exact(4)).for_each(|(pixel, samples)| pixel.copy_from_slice(&samples[..3]));
        }
    }
}

fn broken(reason: impl ToString) -> PhotoErrorKind {
    PhotoErrorKind::Broken { format: "PNG", reason: reason.to_string() }
}

//! Files of any kind, every pixel.

use image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::{Limits, Photo, PhotoErrorKind, orientation};

/// What the decoder keeps a sample in while it waits for the later scans.
const COEFFICIENT_BYTES: u64 = size_of::<i16>() as u64;

/// Most scans of one progressive photo. Encoders write 10, or 18 for four channels; a hostile file
/// repeats a cheap one, and each visits all pixels again (0.1 s for 100 megapixels on one core).
const MAX_SCANS: usize = 32;

/// Decodes `bytes` into pixels as they are stored, and how to turn them upright.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<(Photo, Orientation), PhotoErrorKind> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .jpeg_set_max_scans(MAX_SCANS)
        // Ours are checked below; the decoder's own are narrower than the format.
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        // A photo that was cut off or damaged on its way still shows faces.
        .set_strict_mode(false);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| broken(reason(error)))?;
    let info = decoder.info().ok_or_else(|| broken("it has no header"))?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    limits.check_size(width, height)?;
    limits.check_memory(width, height, decode_bytes(width, height, info.components))?;
    // The decoder would leave two of three bytes of each row unwritten.
    if !matches!(info.components, 1 | 3 | 4) {
        return Err(broken(format!("{} channels a pixel", info.components)));
    }

    let mut rgb = vec![0; width as usize * height as usize * 3];
    if let Err(error) = decoder.decode_into(&mut rgb) {
        // What was decoded until then is as good as the start of a file that was cut off.
        if rgb.iter().all(|&sample| sample == 0) {
            return Err(broken(reason(error)));
        }
        tracing::debug!(%error, "damaged JPEG decoded as far as it goes");
    }
    let orientation = decoder.exif().map_or(Orientation::NoTransforms, |exif| orientation::from_exif(exif));
    Ok((Photo::from_rgb(width, height, rgb), orientation))
}

/// Bound on the memory that decoding takes: the pixels, and the coefficients of all channels,
/// which progressive files (and those that store a channel a scan) need until the last scan.
pub(super) fn decode_bytes(width: u32, height: u32, channels: u8) -> u64 {
    // Sampling factors are at most 4, so that sides are padded to at most 32.
    let padded = |side: u32| u64::from(side).next_multiple_of(32);
    let pixels = u64::from(width) * u64::from(height);
    pixels * 3 + padded(width) * padded(height) * u64::from(channels) * COEFFICIENT_BYTES
}

/// What the decoder says, without the quotes and line ends of its debug output.
fn reason(error: DecodeErrors) -> String {
    match error {
        DecodeErrors::Format(reason) => reason.trim_end().into(),
        DecodeErrors::FormatStatic(reason) => reason.into(),
        DecodeErrors::IoErrors(_) | DecodeErrors::ExhaustedData => "it ends too early".into(),
        error => error.to_string(),
    }
}

fn broken(reason: impl Into<String>) -> PhotoErrorKind {
    PhotoErrorKind::Broken { format: "JPEG", reason: reason.into() }
}

//! The file of a photo → a small JPEG, upright and without what cameras add.

use std::fs::File;
use std::io::{self, Cursor, Read};

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

/// Largest file that is shown, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Most megapixels (of 2²⁰) that are shown. Decoding takes 9 bytes a pixel at most: a progressive JPEG keeps three
/// channels in two bytes each beside the pixels.
pub(super) const MAX_MEGAPIXELS: u32 = 50;

/// Most memory of the decoder's own accounting, in bytes.
const MAX_DECODE_BYTES: u64 = 512 << 20;

/// Of 100; above it the pictures grow and look the same.
const JPEG_QUALITY: u8 = 82;

/// A photo whose header was read.
#[derive(Debug)]
pub(super) struct Source {
    bytes: Vec<u8>,
    /// Its size, rounded up; at least 1.
    pub(super) megapixels: u32,
}

/// Why a photo is not shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScaleError {
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    #[error("it is larger than {MAX_FILE_BYTES} bytes")]
    LargeFile,
    #[error("it has more than {MAX_MEGAPIXELS} megapixels")]
    LargePhoto,
    #[error("{0}")]
    Broken(#[from] ImageError),
}

impl Source {
    /// Reads the file, and looks at the header.
    pub(super) fn read(file: File) -> Result<Self, ScaleError> {
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(ScaleError::LargeFile);
        }
        let (width, height) = reader(&bytes)?.into_dimensions()?;
        let megapixels = (u64::from(width) * u64::from(height)).div_ceil(1 << 20).max(1);
        match u32::try_from(megapixels) {
            Ok(megapixels) if megapixels <= MAX_MEGAPIXELS => Ok(Self { bytes, megapixels }),
            _ => Err(ScaleError::LargePhoto),
        }
    }

    /// The photo as a JPEG that is at most `side` pixels wide and high, and never larger than it was.
    pub(super) fn scaled(&self, side: u32) -> Result<Vec<u8>, ScaleError> {
        let mut decoder = reader(&self.bytes)?.into_decoder()?;
        let orientation = decoder.orientation()?;
        let photo = DynamicImage::from_decoder(decoder)?;
        let longest = photo.width().max(photo.height());
        let mut photo = if longest > side { photo.thumbnail(side, side) } else { photo };
        photo.apply_orientation(orientation);
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode_image(&photo.to_rgb8())?;
        Ok(jpeg)
    }
}

fn reader(bytes: &[u8]) -> io::Result<ImageReader<Cursor<&[u8]>>> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    Ok(reader)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use image::{ImageFormat, RgbImage};

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file.reopen().unwrap()
    }

    fn example(name: &str) -> File {
        File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)).unwrap()
    }

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::new(width, height).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn photos_become_small_jpegs() {
        for name in ["astronaut.jpg", "chelsea.png"] {
            let jpeg = Source::read(example(name)).unwrap().scaled(160).unwrap();
            let small = image::load_from_memory_with_format(&jpeg, ImageFormat::Jpeg).unwrap();
            assert_eq!(small.width().max(small.height()), 160, "{name}");
            assert!(jpeg.len() < 16_000, "{name}: {} bytes", jpeg.len());
        }
    }

    #[test]
    fn small_photos_stay_as_large_as_they_are() {
        let jpeg = Source::read(file(&encoded(30, 20, ImageFormat::Png))).unwrap().scaled(160).unwrap();
        let small = image::load_from_memory(&jpeg).unwrap();
        assert_eq!((small.width(), small.height()), (30, 20));
    }

    #[test]
    fn photos_are_turned_upright() {
        // Exif orientation 6 (turn by 90 degrees clockwise to see), in the least Exif block there is.
        let exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let jpeg = encoded(30, 20, ImageFormat::Jpeg);
        let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
        let small = image::load_from_memory(&Source::read(file(&turned)).unwrap().scaled(160).unwrap()).unwrap();
        assert_eq!((small.width(), small.height()), (20, 30));
    }

    #[test]
    fn what_cannot_be_shown_is_an_error() {
        for bytes in [&b""[..], b"not an image", b"<svg xmlns='http://www.w3.org/2000/svg'/>"] {
            assert!(matches!(Source::read(file(bytes)), Err(ScaleError::Broken(_))), "{bytes:?}");
        }
        let png = encoded(30, 20, ImageFormat::Png);
        assert!(Source::read(file(&png[..png.len() / 2])).and_then(|source| source.scaled(160)).is_err());
        // A header that promises 65,535 × 65,535 pixels in a file of 100 bytes.
        let mut bmp = encoded(3, 3, ImageFormat::Bmp);
        bmp[18..26].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
        assert!(matches!(Source::read(file(&bmp)), Err(ScaleError::LargePhoto)));
        let huge = tempfile::NamedTempFile::new().unwrap();
        huge.as_file().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(Source::read(huge.reopen().unwrap()), Err(ScaleError::LargeFile)));
    }
}

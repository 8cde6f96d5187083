//! How much a photo may cost before it is refused.

/// Bounds checked from a photo's header, before any pixel is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes.
    pub max_file_bytes: u64,
    /// Most pixels, width × height.
    pub max_pixels: u64,
    /// Longest side, in pixels.
    pub max_side: u32,
    /// Most memory that decoding one photo may take, in bytes.
    pub max_decode_bytes: u64,
}

impl Default for Limits {
    /// 64 MiB, 100 megapixels, 65,535 a side, 1 GiB.
    fn default() -> Self {
        Self { max_file_bytes: 64 << 20, max_pixels: 100_000_000, max_side: 65_535, max_decode_bytes: 1 << 30 }
    }
}

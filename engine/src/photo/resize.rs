//! Resizing.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::Photo;

impl Photo {
    /// The photo at another size, the aspect ratio left to the caller; a side of 0 counts as 1.
    ///
    /// Bilinear: when shrinking, each pixel averages all those it covers (so that nothing
    /// aliases); when growing, it lies between its four neighbours.
    pub fn resize(&self, width: u32, height: u32) -> Self {
        const FITS: &str = "a photo has as many bytes as its size says";
        let (width, height) = (width.max(1), height.max(1));
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let mut rgb = vec![0; width as usize * height as usize * 3];
        let source = TypedImageRef::<U8x3>::from_buffer(self.width, self.height, &self.rgb).expect(FITS);
        let mut target = TypedImage::<U8x3>::from_buffer(width, height, &mut rgb).expect(FITS);
        Resizer::new().resize_typed(&source, &mut target, &options).expect("the whole photo is a valid part of it");
        Self { width, height, rgb }
    }
}

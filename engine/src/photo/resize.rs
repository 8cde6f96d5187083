//! Photos at other sizes.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::Photo;
use crate::BoundingBox;

impl Photo {
    /// The photo at another size, the aspect ratio left to the caller; a side of 0 counts as 1.
    ///
    /// Bilinear: when shrinking, each pixel weighs all those it covers (so that nothing aliases);
    /// when growing, it lies between its four neighbours.
    pub fn resize(&self, width: u32, height: u32) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        self.filtered(self.bounds(), width, height, FilterType::Bilinear)
    }

    /// The part `region` of the photo, which lies inside it, at another size: each new pixel is the
    /// mean of those it covers, or a copy of the one it lies in.
    pub(crate) fn resize_region(&self, region: BoundingBox, width: u32, height: u32) -> Self {
        self.filtered(region, width, height, FilterType::Box)
    }

    /// The part `region` of the photo, which lies inside it, at another size, as [`resize`](Self::resize).
    pub(super) fn resize_smoothly(&self, region: BoundingBox, width: u32, height: u32) -> Self {
        self.filtered(region, width, height, FilterType::Bilinear)
    }

    /// The whole photo as a box.
    pub(crate) fn bounds(&self) -> BoundingBox {
        BoundingBox::new(0.0, 0.0, self.width as f32, self.height as f32)
    }

    fn filtered(&self, region: BoundingBox, width: u32, height: u32, filter: FilterType) -> Self {
        let source = ImageRef::new(self.width, self.height, &self.rgb, PixelType::U8x3)
            .expect("a photo holds width × height × 3 bytes");
        let mut target = Image::new(width, height, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(
            f64::from(region.x),
            f64::from(region.y),
            f64::from(region.width),
            f64::from(region.height),
        );
        let resized = Resizer::new().resize(&source, &mut target, &options);
        resized.expect("both have the same pixel type, and the region lies inside the photo");
        Self::from_rgb(width, height, target.into_vec())
    }
}

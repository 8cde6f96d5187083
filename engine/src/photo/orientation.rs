//! Turning a photo the way its camera was held.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

use super::Photo;

/// The orientation that an EXIF block names; none when it names none or is broken.
pub(super) fn from_exif(exif: &[u8]) -> Orientation {
    // Some writers of PNG and WebP keep the prefix that only JPEG has.
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(exif).unwrap_or(Orientation::NoTransforms)
}

/// `photo` turned as `orientation` says.
pub(super) fn upright(photo: Photo, orientation: Orientation) -> Photo {
    if orientation == Orientation::NoTransforms {
        return photo;
    }
    let Photo { width, height, rgb } = photo;
    let image = RgbImage::from_raw(width, height, rgb).expect("a photo has as many bytes as its size says");
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    Photo::from_rgb(width, height, image.into_rgb8().into_raw())
}

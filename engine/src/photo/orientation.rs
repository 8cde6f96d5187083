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

/// A size of the stored photo as one of the upright photo.
pub(super) fn turned((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    match orientation {
        Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH => (height, width),
        _ => (width, height),
    }
}

/// Whether what is last in the stored photo is on the left of the upright photo, and whether it is at its top.
pub(super) fn turns_round(orientation: Orientation) -> (bool, bool) {
    use Orientation::{
        FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate90FlipH, Rotate180, Rotate270, Rotate270FlipH,
    };
    match orientation {
        NoTransforms | Rotate90FlipH => (false, false),
        FlipHorizontal | Rotate90 => (true, false),
        FlipVertical | Rotate270 => (false, true),
        Rotate180 | Rotate270FlipH => (true, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pixel_goes_where_it_is_said_to_go() {
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let mut rgb = vec![0; 3 * 2 * 3];
            rgb[15] = 255;
            let photo = upright(Photo::from_rgb(2, 3, rgb), orientation);
            assert_eq!((photo.width(), photo.height()), turned((2, 3), orientation), "{orientation:?}");
            let at = photo.rgb().iter().position(|&sample| sample == 255).unwrap() as u32 / 3;
            let is_first = (at.is_multiple_of(photo.width()), at / photo.width() == 0);
            assert_eq!(is_first, turns_round(orientation), "{orientation:?}");
        }
    }
}

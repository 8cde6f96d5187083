//! A box on its way through the cascade.

use crate::BoundingBox;
use crate::photo::Photo;

/// A box that may be a face, in photo pixels, and how sure the last network was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) bbox: BoundingBox,
    pub(super) score: f32,
}

impl Candidate {
    /// The box moved by a network's regression: offsets of left, top, right and bottom in units of
    /// `width` and `height`.
    pub(super) fn regressed(&self, regression: &[f32], width: f32, height: f32) -> BoundingBox {
        let left = self.bbox.x + regression[0] * width;
        let top = self.bbox.y + regression[1] * height;
        let right = self.bbox.right() + regression[2] * width;
        let bottom = self.bbox.bottom() + regression[3] * height;
        BoundingBox::new(left, top, (right - left).max(0.0), (bottom - top).max(0.0))
    }
}

/// The smallest square around a box, with the same centre.
pub(super) fn squared(bbox: &BoundingBox) -> BoundingBox {
    let side = bbox.width.max(bbox.height);
    let center = bbox.center();
    BoundingBox::new(center.x - side / 2.0, center.y - side / 2.0, side, side)
}

/// The pixels under a box as a `side × side` crop, zeros where the box leaves the photo. `None` for a
/// box that is empty, endless or wholly outside.
///
/// facenet-pytorch counts pixels from 1 and truncates, so that a box from `left` to `right` covers
/// the columns `left − 1` up to but not including `right`.
pub(super) fn crop(photo: &Photo, bbox: &BoundingBox, side: u32) -> Option<Photo> {
    let edges = [bbox.x, bbox.y, bbox.right(), bbox.bottom()];
    // A box much larger than any photo is no face; refusing it bounds the padded crop's memory.
    let longest = photo.width().max(photo.height()) as f32;
    if edges.iter().any(|v| !v.is_finite()) || bbox.width > 2.0 * longest || bbox.height > 2.0 * longest {
        return None;
    }
    let [left, top, right, bottom] = edges.map(|v| v.trunc() as i64);
    let (left, top) = (left - 1, top - 1);
    let (width, height) = (right - left, bottom - top);
    let (photo_width, photo_height) = (i64::from(photo.width()), i64::from(photo.height()));
    let (seen_left, seen_top) = (left.max(0), top.max(0));
    let (seen_right, seen_bottom) = (right.min(photo_width), bottom.min(photo_height));
    if width < 1 || height < 1 || seen_left >= seen_right || seen_top >= seen_bottom {
        return None;
    }
    if (seen_left, seen_top, seen_right, seen_bottom) == (left, top, right, bottom) {
        let region = BoundingBox::new(left as f32, top as f32, width as f32, height as f32);
        return Some(photo.resize_region(region, side, side));
    }
    let mut padded = vec![0; (width * height * 3) as usize];
    let row_bytes = ((seen_right - seen_left) * 3) as usize;
    for y in seen_top..seen_bottom {
        let from = ((y * photo_width + seen_left) * 3) as usize;
        let to = (((y - top) * width + seen_left - left) * 3) as usize;
        padded[to..to + row_bytes].copy_from_slice(&photo.rgb()[from..from + row_bytes]);
    }
    let padded = Photo::from_rgb(width as u32, height as u32, padded);
    Some(padded.resize_region(padded.bounds(), side, side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_beyond_the_photo_is_padded_with_black() {
        let photo = Photo::from_rgb(4, 4, vec![200; 48]);
        // Columns and rows −4 … 3: three quarters of the crop lie outside.
        let crop = crop(&photo, &BoundingBox::new(-3.0, -3.0, 7.0, 7.0), 8).expect("touches the photo");
        let at = |x: usize, y: usize| crop.rgb()[(y * 8 + x) * 3];
        assert_eq!((at(0, 0), at(3, 7), at(7, 3), at(4, 4), at(7, 7)), (0, 0, 0, 200, 200));
    }

    #[test]
    fn boxes_without_a_pixel_give_no_crop() {
        let photo = Photo::from_rgb(4, 4, vec![0; 48]);
        for bbox in [
            BoundingBox::new(10.0, 10.0, 5.0, 5.0),
            BoundingBox::new(f32::NAN, 0.0, 5.0, 5.0),
            BoundingBox::new(0.0, 0.0, f32::INFINITY, 5.0),
            BoundingBox::new(-50.0, -50.0, 5.0, 5.0),
            BoundingBox::new(0.0, 0.0, 1e9, 1e9),
        ] {
            assert!(crop(&photo, &bbox, 24).is_none(), "{bbox:?}");
        }
    }
}

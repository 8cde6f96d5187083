//! A photo as the input of a detector: at another size in the top left corner, black right of it and below.

use super::Face;
use crate::model::Network;
use crate::photo::{Reduction, View};
use crate::tensor::{ChannelOrder, padded_planes};
use crate::{BoundingBox, Point};

/// Photos are shrunk until their longest side is this, which is what detectors were trained on …
const USUAL_SIDE: f32 = 640.0;

/// … unless that would make the smallest face asked for smaller than this, in input pixels …
const SMALLEST_FACE_SEEN: f32 = 10.0;

/// … and never left larger than this, whatever is asked for: it bounds time and memory.
const LARGEST_SIDE: f32 = 1920.0;

/// Where a photo lies in an input, all in input pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letterbox {
    /// Of the whole photo.
    photo: (u32, u32),
    /// Of the photo in the input.
    width: u32,
    height: u32,
    /// Of the input.
    padded_width: usize,
    padded_height: usize,
}

impl Letterbox {
    /// In the input of a network: of its size, or where it takes every size one whose sides are multiples of `multiple`.
    pub(super) fn new(network: &Network, photo: (u32, u32), min_face: f32, multiple: u32) -> Self {
        match network.size() {
            Some(size) => Self::of_size(photo, size),
            None => Self::of_any_size(photo, min_face, multiple),
        }
    }

    /// In an input of any size. A photo is never made larger.
    fn of_any_size(photo: (u32, u32), min_face: f32, multiple: u32) -> Self {
        let longest = photo.0.max(photo.1) as f32;
        let wanted = (USUAL_SIDE / longest).max(SMALLEST_FACE_SEEN / min_face.max(1.0));
        let scale = wanted.min(LARGEST_SIDE / longest).min(1.0);
        let scaled = |side: u32| ((side as f32 * scale).round() as u32).max(1);
        let (width, height) = (scaled(photo.0), scaled(photo.1));
        let padded = |side: u32| side.next_multiple_of(multiple) as usize;
        Self { photo, width, height, padded_width: padded(width), padded_height: padded(height) }
    }

    /// In an input of one size, `[height, width]`, which it fills in one direction.
    fn of_size(photo: (u32, u32), [padded_height, padded_width]: [usize; 2]) -> Self {
        let [wide, high] = [photo.0, photo.1].map(f64::from);
        let [most_wide, most_high] = [padded_width as f64, padded_height as f64];
        // Cut to whole pixels, as InsightFace does.
        let (width, height) = if high / wide > most_high / most_wide {
            ((most_high / (high / wide)) as u32, padded_height as u32)
        } else {
            (padded_width as u32, (most_wide * (high / wide)) as u32)
        };
        Self { photo, width: width.max(1), height: height.max(1), padded_width, padded_height }
    }

    /// Height and width of the input.
    pub(super) fn size(&self) -> [usize; 2] {
        [self.padded_height, self.padded_width]
    }

    /// The most that the photo may be reduced so that it is still shrunk, or not made larger.
    pub(super) fn reduction(&self) -> Reduction {
        let (width, height) = self.photo;
        Reduction::most(|reduction| reduction.reduced(width) >= self.width && reduction.reduced(height) >= self.height)
    }

    /// The input, planes of 0…255.
    pub(super) fn planes(&self, view: &View<'_>, order: ChannelOrder) -> Vec<f32> {
        let resized;
        let input = if view.reduction() == Reduction::None && (self.width, self.height) == self.photo {
            view.photo
        } else {
            resized = view.resize(self.width, self.height);
            &resized
        };
        padded_planes(input, 0, self.padded_width, self.padded_height, order)
    }

    /// A face of the input, in pixels of the whole photo.
    pub(super) fn in_photo(&self, face: &Face) -> Face {
        let (x, y) = (self.photo.0 as f32 / self.width as f32, self.photo.1 as f32 / self.height as f32);
        let b = face.bbox;
        Face {
            bbox: BoundingBox::new(b.x * x, b.y * y, b.width * x, b.height * y),
            score: face.score,
            landmarks: face.landmarks.map(|p| Point::new(p.x * x, p.y * y)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_of_any_size_is_shrunk_and_never_grown() {
        let letterbox = Letterbox::of_any_size((1280, 720), 40.0, 32);
        assert_eq!((letterbox.width, letterbox.height, letterbox.size()), (640, 360, [384, 640]));
        assert_eq!(letterbox.reduction(), Reduction::Half);
        let small = Letterbox::of_any_size((100, 33), 40.0, 32);
        assert_eq!((small.width, small.height, small.size()), (100, 33, [64, 128]));
    }

    #[test]
    fn a_photo_in_one_size_fills_one_direction() {
        let wide = Letterbox::of_size((1000, 333), [640, 640]);
        assert_eq!((wide.width, wide.height, wide.size()), (640, 213, [640, 640]));
        let high = Letterbox::of_size((10, 1000), [480, 640]);
        assert_eq!((high.width, high.height, high.size()), (4, 480, [480, 640]));
        let face =
            Face { bbox: BoundingBox::new(64.0, 32.0, 16.0, 8.0), score: 0.5, landmarks: [Point::new(64.0, 213.0); 5] };
        let found = wide.in_photo(&face);
        assert_eq!((found.bbox.x, found.bbox.width), (100.0, 25.0));
        assert_eq!((found.landmarks[0].x, found.landmarks[0].y), (100.0, 333.0));
        // Made larger too: it takes no more time, and smaller faces are found.
        let small = Letterbox::of_size((320, 320), [640, 640]);
        assert_eq!((small.width, small.height, small.reduction()), (640, 640, Reduction::None));
    }
}

//! Photos that were decoded at a part of their sides.

use facerecog_kernels::jpeg::Reduction;
use image::metadata::Orientation;

use super::{Decoded, Limits, Photo, PhotoError, orientation};
use crate::{BoundingBox, Point};

/// A photo decoded at a whole, a half, a quarter or an eighth of its sides, for those who need no more of it. Made by
/// [`Recognizer::decode`](crate::recognizer::Recognizer::decode).
pub struct ReducedPhoto<'a> {
    file: &'a [u8],
    limits: &'a Limits,
    decoded: Decoded,
}

impl<'a> ReducedPhoto<'a> {
    /// Decodes a file held in memory. Only JPEG files are reduced, and of those not the progressive ones and others of
    /// rare kinds. The limits hold for the photo as the file has it.
    ///
    /// # Errors
    /// As [`Photo::decode`].
    pub fn decode(file: &'a [u8], limits: &'a Limits, reduction: Reduction) -> Result<Self, PhotoError> {
        Ok(Self { file, limits, decoded: super::decode(file, limits, reduction)? })
    }

    /// Width of the whole photo in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.decoded.width
    }

    /// Height of the whole photo in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.decoded.height
    }

    /// What was decoded: both sides as [`reduction`](Self::reduction) says, a rest counted as a pixel.
    pub fn photo(&self) -> &Photo {
        &self.decoded.photo
    }

    /// How much was left out.
    pub fn reduction(&self) -> Reduction {
        self.decoded.reduction
    }
}

impl std::fmt::Debug for ReducedPhoto<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReducedPhoto({}×{} by {})", self.width(), self.height(), self.reduction().divisor())
    }
}

/// A photo to look at, whole or reduced. Whatever is found on it is told in pixels of the whole photo.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(crate) photo: &'a Photo,
    reduction: Reduction,
    width: u32,
    height: u32,
    /// Pixels of the whole photo that the first column and row stand for and that are not in it.
    before: Point,
    /// To decode it anew.
    file: Option<(&'a [u8], &'a Limits)>,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "View({}×{} by {})", self.width, self.height, self.reduction.divisor())
    }
}

impl<'a> From<&'a Photo> for View<'a> {
    fn from(photo: &'a Photo) -> Self {
        let (width, height) = (photo.width, photo.height);
        Self { photo, reduction: Reduction::None, width, height, before: Point::default(), file: None }
    }
}

impl<'a> From<&'a ReducedPhoto<'_>> for View<'a> {
    fn from(reduced: &'a ReducedPhoto<'_>) -> Self {
        Self { file: Some((reduced.file, reduced.limits)), ..Self::from(&reduced.decoded) }
    }
}

impl<'a> From<&'a Decoded> for View<'a> {
    fn from(decoded: &'a Decoded) -> Self {
        let &Decoded { ref photo, reduction, width, height, before } = decoded;
        Self { photo, reduction, width, height, before, file: None }
    }
}

impl View<'_> {
    /// Width of the whole photo.
    pub(crate) fn width(&self) -> u32 {
        self.width
    }

    /// Height of the whole photo.
    pub(crate) fn height(&self) -> u32 {
        self.height
    }

    /// Pixels of the whole photo beside each other in one of these.
    pub(crate) fn divisor(&self) -> f32 {
        self.reduction.divisor() as f32
    }

    /// How much of the whole photo is left out.
    pub(crate) fn reduction(&self) -> Reduction {
        self.reduction
    }

    /// Scale and shift by which a coordinate of the whole photo, 0 the middle of the first pixel, becomes one of these
    /// pixels, for both directions.
    pub(crate) fn scale_and_shift(&self) -> (f32, Point) {
        let scale = 1.0 / self.divisor();
        let shift = |before: f32| (before + 0.5) * scale - 0.5;
        (scale, Point::new(shift(self.before.x), shift(self.before.y)))
    }

    /// Mean of red, green and blue, rounded down, of the pixel nearest to a point of the whole photo, as dlib's
    /// `get_pixel_intensity` has it; 0 beyond the photo.
    pub(crate) fn intensity(&self, point: Point) -> i16 {
        let (scale, shift) = self.scale_and_shift();
        let nearest = |whole: f32, shift: f32| (whole * scale + shift + 0.5).floor();
        let (x, y) = (nearest(point.x, shift.x), nearest(point.y, shift.y));
        let inside = |at: f32, pixels: u32| at >= 0.0 && at < pixels as f32;
        if !inside(x, self.photo.width) || !inside(y, self.photo.height) {
            return 0;
        }
        let at = (y as usize * self.photo.width as usize + x as usize) * 3;
        self.photo.rgb()[at..at + 3].iter().map(|&value| i16::from(value)).sum::<i16>() / 3
    }

    /// A point of these pixels in those of the whole photo.
    pub(crate) fn whole_point(&self, point: Point) -> Point {
        let (scale, shift) = self.scale_and_shift();
        Point::new((point.x - shift.x) / scale, (point.y - shift.y) / scale)
    }

    /// The whole photo at another size, as [`Photo::resize`].
    pub(crate) fn resize(&self, width: u32, height: u32) -> Photo {
        let divisor = self.divisor();
        let part = |pixels: u32| pixels as f32 / divisor;
        let region =
            BoundingBox::new(self.before.x / divisor, self.before.y / divisor, part(self.width), part(self.height));
        self.photo.resize_smoothly(region, width, height)
    }

    /// The same view of other pixels, as many as there are.
    pub(crate) fn with(&self, photo: Photo) -> Decoded {
        Decoded { photo, reduction: self.reduction, width: self.width, height: self.height, before: self.before }
    }

    /// The photo turned by quarters of a circle. It is not decoded anew.
    pub(crate) fn turned(&self, turn: Orientation) -> Decoded {
        let divisor = self.divisor();
        let after = |pixels: u32, before: f32, whole: u32| pixels as f32 * divisor - before - whole as f32;
        let after = Point::new(
            after(self.photo.width(), self.before.x, self.width),
            after(self.photo.height(), self.before.y, self.height),
        );
        let before = match turn {
            Orientation::Rotate90 => Point::new(after.y, self.before.x),
            Orientation::Rotate270 => Point::new(self.before.y, after.x),
            Orientation::Rotate180 => after,
            _ => self.before,
        };
        let (width, height) = orientation::turned((self.width, self.height), turn);
        let photo = orientation::upright(self.photo.clone(), turn);
        Decoded { photo, reduction: self.reduction, width, height, before }
    }

    /// The photo decoded anew, less reduced. `None` where that is not possible.
    pub(crate) fn sharper(&self, reduction: Reduction) -> Option<Decoded> {
        let (file, limits) = self.file?;
        super::decode(file, limits, reduction).ok()
    }
}

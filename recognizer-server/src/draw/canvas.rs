//! Rectangles, dots and labels on a photo; whatever lies beyond its edges is left out.

use facerecog_engine::photo::Photo;
use facerecog_engine::{BoundingBox, Point};
use image::{Rgb, RgbImage};

use super::text;

/// Red, green, blue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Color(pub(super) [u8; 3]);

pub(super) const BLACK: Color = Color([0, 0, 0]);

/// Pixels to paint on.
#[derive(Debug)]
pub(super) struct Canvas(RgbImage);

impl Canvas {
    pub(super) fn of(photo: &Photo) -> Self {
        let image = RgbImage::from_raw(photo.width(), photo.height(), photo.rgb().to_vec());
        Self(image.expect("a photo holds width × height × 3 bytes"))
    }

    pub(super) fn into_image(self) -> RgbImage {
        self.0
    }

    /// Fills the pixels from `left`, `top` up to, not including, `right`, `bottom`.
    pub(super) fn fill(&mut self, left: i64, top: i64, right: i64, bottom: i64, color: Color) {
        let (width, height) = (i64::from(self.0.width()), i64::from(self.0.height()));
        for y in top.clamp(0, height)..bottom.clamp(0, height) {
            for x in left.clamp(0, width)..right.clamp(0, width) {
                self.0.put_pixel(x as u32, y as u32, Rgb(color.0));
            }
        }
    }

    /// The four edges of `bbox`, `thickness` pixels inwards.
    pub(super) fn outline(&mut self, bbox: BoundingBox, thickness: u32, color: Color) {
        let (left, top) = (bbox.x as i64, bbox.y as i64);
        let (right, bottom) = (bbox.right() as i64, bbox.bottom() as i64);
        let thickness = i64::from(thickness);
        self.fill(left, top, right, top.saturating_add(thickness), color);
        self.fill(left, bottom.saturating_sub(thickness), right, bottom, color);
        self.fill(left, top, left.saturating_add(thickness), bottom, color);
        self.fill(right.saturating_sub(thickness), top, right, bottom, color);
    }

    /// A filled circle.
    pub(super) fn dot(&mut self, center: Point, radius: f32, color: Color) {
        let reach = radius.ceil() as i64;
        let (x, y) = (center.x.round() as i64, center.y.round() as i64);
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                if ((dx * dx + dy * dy) as f32) <= radius * radius {
                    let (x, y) = (x.saturating_add(dx), y.saturating_add(dy));
                    self.fill(x, y, x.saturating_add(1), y.saturating_add(1), color);
                }
            }
        }
    }

    /// One line of text on a filled strip whose top-left corner is at `x`, `y`, moved as far as needed
    /// to lie on the photo.
    pub(super) fn label(&mut self, line: &str, x: i64, y: i64, scale: u32, ink: Color, paper: Color) {
        let line = text::Line::new(line);
        let scale = i64::from(scale);
        let margin = 2 * scale;
        let (width, height) = (line.width() * scale + 2 * margin, text::HEIGHT * scale);
        let left = x.clamp(0, (i64::from(self.0.width()) - width).max(0));
        let top = y.clamp(0, (i64::from(self.0.height()) - height).max(0));
        self.fill(left, top, left + width, top + height, paper);
        for (x, y) in line.pixels() {
            let (x, y) = (left + margin + x * scale, top + y * scale);
            self.fill(x, y, x + scale, y + scale, ink);
        }
    }
}

//! Looking up a crop's pixels in a photo.

use super::SimilarityTransform;
use crate::Point;
use crate::photo::Photo;

/// The square crop of `side` pixels whose pixel `p` is the photo at `to_photo(p)`: bilinear, black
/// beyond the photo.
///
/// While the photo is shrunk by more than 2, the part that is needed is first halved by averaging
/// 2×2 pixels, as dlib's `extract_image_chips` halves its pyramid, so that no detail is skipped.
pub fn warp(photo: &Photo, to_photo: &SimilarityTransform, side: u32) -> Photo {
    let mut to_source = *to_photo;
    let halved = if to_source.scale() > 2.0 {
        let mut source = Halved::of_photo(photo, &mut to_source, side);
        // A scale may be endless, the pixels are not.
        while to_source.scale() > 2.0 && source.width > 0 && source.height > 0 {
            source = source.halve(&mut to_source);
        }
        Some(source)
    } else {
        None
    };
    let source = match &halved {
        Some(source) => Pixels { width: source.width, height: source.height, rgb: &source.rgb },
        None => Pixels { width: photo.width() as usize, height: photo.height() as usize, rgb: photo.rgb() },
    };
    let mut rgb = Vec::with_capacity((side * side * 3) as usize);
    for y in 0..side {
        for x in 0..side {
            rgb.extend(source.bilinear(to_source.apply(Point::new(x as f32, y as f32))));
        }
    }
    Photo::from_rgb(side, side, rgb)
}

/// The part of a photo that a crop needs, shrunk by a power of two.
struct Halved {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Halved {
    /// Half the size of the part of `photo` that the crop touches; `to_photo` is changed to lead there.
    fn of_photo(photo: &Photo, to_photo: &mut SimilarityTransform, side: u32) -> Self {
        let far = (side - 1) as f32;
        let corners = [(0.0, 0.0), (far, 0.0), (0.0, far), (far, far)].map(|(x, y)| to_photo.apply(Point::new(x, y)));
        // As wide as the whole chain of halvings may look beyond the corners.
        let margin = 2.0 * to_photo.scale() + 2.0;
        let clamp = |v: f32, max: u32| v.clamp(0.0, max as f32) as usize;
        let low = |of: fn(&Point) -> f32, max| {
            clamp((corners.iter().map(of).fold(f32::INFINITY, f32::min) - margin).floor(), max)
        };
        let high = |of: fn(&Point) -> f32, max| {
            clamp((corners.iter().map(of).fold(f32::NEG_INFINITY, f32::max) + margin).ceil(), max)
        };
        let (left, right) = (low(|p| p.x, photo.width()), high(|p| p.x, photo.width()));
        let (top, bottom) = (low(|p| p.y, photo.height()), high(|p| p.y, photo.height()));
        *to_photo = to_photo.then(1.0, -(left as f32), -(top as f32));
        let stride = photo.width() as usize * 3;
        halve_rows(right.saturating_sub(left), bottom.saturating_sub(top), to_photo, |y| {
            &photo.rgb()[(top + y) * stride + left * 3..]
        })
    }

    fn halve(&self, to_self: &mut SimilarityTransform) -> Self {
        halve_rows(self.width, self.height, to_self, |y| &self.rgb[y * self.width * 3..])
    }
}

/// Averages 2×2 pixels; an odd last row or column is dropped. Pixel centres move from (x, y) to
/// (x/2 − 1/4, y/2 − 1/4).
fn halve_rows<'a>(
    width: usize,
    height: usize,
    to_source: &mut SimilarityTransform,
    row: impl Fn(usize) -> &'a [u8],
) -> Halved {
    let (half_width, half_height) = (width / 2, height / 2);
    let mut rgb = Vec::with_capacity(half_width * half_height * 3);
    for y in 0..half_height {
        let (upper, lower) = (&row(2 * y)[..half_width * 6], &row(2 * y + 1)[..half_width * 6]);
        for (a, b) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            for c in 0..3 {
                let sum = u16::from(a[c]) + u16::from(a[c + 3]) + u16::from(b[c]) + u16::from(b[c + 3]);
                rgb.push(((sum + 2) / 4) as u8);
            }
        }
    }
    *to_source = to_source.then(0.5, -0.25, -0.25);
    Halved { width: half_width, height: half_height, rgb }
}

#[derive(Clone, Copy)]
struct Pixels<'a> {
    width: usize,
    height: usize,
    rgb: &'a [u8],
}

impl Pixels<'_> {
    fn bilinear(&self, at: Point) -> [u8; 3] {
        let (left, top) = (at.x.floor(), at.y.floor());
        let (fx, fy) = (at.x - left, at.y - top);
        // Saturates for positions far outside and for NaN, which the bounds check below then refuses.
        let (left, top) = (left as i64, top as i64);
        let (upper, lower) = (self.pair(left, top), self.pair(left, top.saturating_add(1)));
        std::array::from_fn(|c| {
            let above = upper[0][c] + (upper[1][c] - upper[0][c]) * fx;
            let below = lower[0][c] + (lower[1][c] - lower[0][c]) * fx;
            (above + (below - above) * fy + 0.5) as u8
        })
    }

    fn pair(&self, x: i64, y: i64) -> [[f32; 3]; 2] {
        [self.pixel(x, y), self.pixel(x.saturating_add(1), y)]
    }

    fn pixel(&self, x: i64, y: i64) -> [f32; 3] {
        match (usize::try_from(x), usize::try_from(y)) {
            (Ok(x), Ok(y)) if x < self.width && y < self.height => {
                let at = (y * self.width + x) * 3;
                [f32::from(self.rgb[at]), f32::from(self.rgb[at + 1]), f32::from(self.rgb[at + 2])]
            }
            _ => [0.0; 3],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> Photo {
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        Photo::from_rgb(width, height, rgb)
    }

    #[test]
    fn identity_copies_the_photo() {
        let photo = gradient(16, 16);
        assert_eq!(warp(&photo, &SimilarityTransform::scale_then_shift(1.0, 0.0, 0.0), 16), photo);
    }

    #[test]
    fn a_strong_shrink_keeps_positions() {
        let photo = gradient(240, 240);
        // Pixel p of the crop lies at 6p + 2.5: the centre of its 6×6 block.
        let crop = warp(&photo, &SimilarityTransform::scale_then_shift(6.0, 2.5, 2.5), 40);
        for y in 1..39_usize {
            for x in 1..39_usize {
                let [r, g, b] = crop.rgb()[(y * 40 + x) * 3..][..3] else { unreachable!() };
                let near = |actual: u8, expected: f32| (f32::from(actual) - expected).abs() <= 1.5;
                assert!(near(r, 6.0 * x as f32 + 2.5) && near(g, 6.0 * y as f32 + 2.5) && b == 7, "{x},{y}: {r},{g}");
            }
        }
    }

    #[test]
    fn beyond_the_photo_is_black_and_nothing_overflows() {
        let photo = gradient(8, 8);
        for (scale, shift) in
            [(1.0, 1e9), (1e9, 0.0), (f32::NAN, 0.0), (1.0, f32::INFINITY), (3.0, -1e30), (f32::INFINITY, 0.0)]
        {
            let crop = warp(&photo, &SimilarityTransform::scale_then_shift(scale, shift, shift), 4);
            assert_eq!(crop.width(), 4);
        }
    }
}

//! Letters as pixels, from GNU Unifont: 8 or 16 wide, 16 high, for every script.

use unifont::Glyph;

/// Height of a line, in font pixels.
pub(super) const HEIGHT: i64 = 16;

/// One line of text.
#[derive(Debug)]
pub(super) struct Line(Vec<&'static Glyph>);

impl Line {
    /// Letters that the font lacks and control characters become `?`.
    pub(super) fn new(text: &str) -> Self {
        let glyph = |c: char| if c.is_control() { None } else { unifont::get_glyph(c) };
        Self(text.chars().filter_map(|c| glyph(c).or_else(|| unifont::get_glyph('?'))).collect())
    }

    /// Width in font pixels.
    pub(super) fn width(&self) -> i64 {
        self.0.iter().map(|glyph| glyph.get_width() as i64).sum()
    }

    /// The pixels to ink, from the line's top-left corner.
    pub(super) fn pixels(&self) -> impl Iterator<Item = (i64, i64)> {
        let starts = self.0.iter().scan(0, |x, glyph| {
            let start = *x;
            *x += glyph.get_width();
            Some((start, *glyph))
        });
        starts.flat_map(|(start, glyph)| {
            let places = (0..16).flat_map(move |y| (0..glyph.get_width()).map(move |x| (x, y)));
            places.filter(|&(x, y)| glyph.get_pixel(x, y)).map(move |(x, y)| ((start + x) as i64, y as i64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_has_letters() {
        assert_eq!(Line::new("Ab").width(), 16);
        assert_eq!(Line::new("李娜").width(), 32);
        assert!(Line::new("Ω").pixels().count() > 10);
        assert!(Line::new(" ").pixels().next().is_none());
        assert_eq!(Line::new("\n").pixels().count(), Line::new("?").pixels().count());
    }
}

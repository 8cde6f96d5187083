//! Photos taken in too little light, made lighter before networks look at them.

use super::Photo;

/// A photo is dark when all but a hundredth of its pixels are below this, of 255. Of the 4,992 photos of LFW-dev none is
/// below 130. Of 200 faces that were darkened YuNet found all where this was 58, and 96 % at 29 (docs/accuracy.md).
const DARK: u32 = 48;
/// What the pixel that a hundredth are lighter than becomes.
const LIGHT: u32 = 220;
/// The share of pixels that are lighter, as one of so many.
const LIGHTER: usize = 100;
/// Pixels that are looked at, about.
const SAMPLES: usize = 1 << 14;

/// A dark photo with all its light, smoothed by a binomial window of 5×5, since what was the noise of the sensor is made
/// as much lighter. `None` for a photo that is not dark, and for one that is black.
pub(crate) fn lightened(photo: &Photo) -> Option<Photo> {
    let light = light_end(photo)?;
    if light >= DARK {
        return None;
    }
    let (width, height) = (photo.width(), photo.height());
    let rgb = smoothed(photo.rgb(), width as usize, height as usize, LIGHT as f32 / light as f32);
    Some(Photo::from_rgb(width, height, rgb))
}

/// The mean of red, green and blue that a hundredth of the pixels are above; `None` when that is 0.
fn light_end(photo: &Photo) -> Option<u32> {
    let pixels = photo.rgb().len() / 3;
    // An odd step does not stay in one column.
    let step = (pixels / SAMPLES).max(1) | 1;
    let mut counts = [0_usize; 256];
    for pixel in photo.rgb().chunks_exact(3).step_by(step) {
        counts[pixel.iter().map(|&sample| usize::from(sample)).sum::<usize>() / 3] += 1;
    }
    let mut lighter = pixels.div_ceil(step) / LIGHTER;
    let light = (0..256).rev().find(|&value| {
        let is_it = counts[value] > lighter;
        lighter = lighter.saturating_sub(counts[value]);
        is_it
    })?;
    (light > 0).then_some(light as u32)
}

/// Each sample times `gain`, after a window of 1, 4, 6, 4, 1 along rows and columns; pixels at the edge go on beyond it.
fn smoothed(rgb: &[u8], width: usize, height: usize, gain: f32) -> Vec<u8> {
    let row_samples = width * 3;
    let window = |samples: [u16; 5]| samples[0] + samples[4] + 4 * (samples[1] + samples[3]) + 6 * samples[2];
    let gain = gain / 256.0;
    let mut light = Vec::with_capacity(rgb.len());
    let mut column = vec![0_u16; row_samples];
    for row in 0..height {
        let rows: [&[u8]; 5] = std::array::from_fn(|place| {
            let row = (row + place).saturating_sub(2).min(height - 1);
            &rgb[row * row_samples..][..row_samples]
        });
        for (sample, sum) in column.iter_mut().enumerate() {
            *sum = window(rows.map(|row| u16::from(row[sample])));
        }
        light.extend((0..row_samples).map(|sample| {
            let (x, channel) = (sample / 3, sample % 3);
            let near = std::array::from_fn(|place| column[(x + place).saturating_sub(2).min(width - 1) * 3 + channel]);
            // At most 255 · 16 · 16, which is below 2^16.
            (f32::from(window(near)) * gain + 0.5) as u8
        }));
    }
    light
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(values: &[u8]) -> Photo {
        Photo::from_rgb(values.len() as u32, 1, values.iter().flat_map(|&value| [value; 3]).collect())
    }

    #[test]
    fn the_light_end_is_what_a_hundredth_are_above() {
        let mut values: Vec<u8> = (0..100).collect();
        assert_eq!(light_end(&grey(&values)), Some(98));
        values[99] = 255;
        assert_eq!(light_end(&grey(&values)), Some(98));
        values[98] = 255;
        assert_eq!(light_end(&grey(&values)), Some(255));
    }

    #[test]
    fn light_photos_and_black_ones_stay_as_they_are() {
        for value in [0, 48, 255] {
            assert!(lightened(&grey(&[value; 10])).is_none(), "{value}");
        }
    }

    #[test]
    fn a_dark_photo_becomes_light() {
        assert_eq!(lightened(&grey(&[20; 9])).unwrap().rgb(), [220; 27]);
    }

    /// A pixel becomes the window: 1, 4, 6, 4, 1 of 16 along its row, and all of a column that is one pixel high.
    #[test]
    fn a_pixel_is_spread() {
        let mut values = [0; 9];
        values[4] = 32;
        let light = smoothed(grey(&values).rgb(), 9, 1, 4.0);
        let reds: Vec<u8> = light.chunks_exact(3).map(|pixel| pixel[0]).collect();
        assert_eq!(reds, [0, 0, 8, 32, 48, 32, 8, 0, 0]);
    }
}

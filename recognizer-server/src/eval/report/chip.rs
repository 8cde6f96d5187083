//! Small pictures of faces inside the report.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use facerecog_engine::BoundingBox;
use facerecog_engine::detect::Face;
use facerecog_engine::photo::Photo;
use facerecog_engine::recognizer::Recognizer;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageError};

/// Of 100; above it the pictures grow and look the same.
const JPEG_QUALITY: u8 = 82;

/// Longest side of a cut-out, in pixels.
const LONGEST_SIDE: f32 = 150.0;

/// The `data:` address of the crop that the embedder sees of a face.
pub(crate) fn aligned(photo: &Photo, face: &Face, recognizer: &Recognizer) -> Result<String, ImageError> {
    data_address(&recognizer.chip(photo, face))
}

/// The `data:` address of a part of a photo with half its size around it, as far as it is on the photo; `None` for a part
/// that is beyond.
pub(crate) fn cut_out(photo: &Photo, bbox: &BoundingBox) -> Option<Result<String, ImageError>> {
    let (center, half) = (bbox.center(), bbox.width.max(bbox.height) * 0.75);
    let clip = |from: f32, to: f32, end: u32| {
        let (from, to) = (from.clamp(0.0, end as f32) as usize, to.clamp(0.0, end as f32) as usize);
        (from < to).then_some(from..to)
    };
    let columns = clip(center.x - half, center.x + half, photo.width())?;
    let rows = clip(center.y - half, center.y + half, photo.height())?;
    let width = photo.width() as usize;
    let rgb = rows.clone().flat_map(|y| {
        let row = y * width;
        &photo.rgb()[(row + columns.start) * 3..(row + columns.end) * 3]
    });
    let part = Photo::from_rgb(columns.len() as u32, rows.len() as u32, rgb.copied().collect());
    let scale = (LONGEST_SIDE / part.width().max(part.height()) as f32).min(1.0);
    let scaled = |side: u32| (side as f32 * scale).round() as u32;
    Some(data_address(&part.resize(scaled(part.width()), scaled(part.height()))))
}

fn data_address(photo: &Photo) -> Result<String, ImageError> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode(
        photo.rgb(),
        photo.width(),
        photo.height(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(address: &str) -> (u32, u32) {
        let jpeg = STANDARD.decode(address.strip_prefix("data:image/jpeg;base64,").unwrap()).unwrap();
        let image = image::load_from_memory(&jpeg).unwrap();
        (image.width(), image.height())
    }

    #[test]
    fn a_part_is_cut_at_the_border_and_made_small() {
        let photo = Photo::from_rgb(400, 300, vec![128; 400 * 300 * 3]);
        let cut = |bbox| cut_out(&photo, &bbox).map(|address| size(&address.unwrap()));
        assert_eq!(cut(BoundingBox::new(100.0, 100.0, 40.0, 40.0)), Some((60, 60)));
        assert_eq!(cut(BoundingBox::new(0.0, 0.0, 400.0, 300.0)), Some((150, 113)));
        assert_eq!(cut(BoundingBox::new(900.0, 0.0, 10.0, 10.0)), None);
        assert_eq!(cut(BoundingBox::new(f32::NAN, 0.0, 10.0, 10.0)), None);
    }
}

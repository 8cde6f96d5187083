//! Damaged files: decoded as far as they go, or refused, and never a panic.

use std::io::Cursor;

use facerecog_engine::photo::{Limits, Photo, ReducedPhoto, Reduction};
use image::{DynamicImage, ImageFormat, RgbImage};
use proptest::prelude::*;

const JPEGS: [&[u8]; 7] = [
    include_bytes!("fixtures/photo/quadrants.jpg"),
    include_bytes!("fixtures/photo/quadrants_progressive.jpg"),
    include_bytes!("fixtures/photo/quadrants_cmyk.jpg"),
    include_bytes!("fixtures/photo/quadrants_grey.jpg"),
    include_bytes!("fixtures/photo/sampling/420_restarts.jpg"),
    include_bytes!("fixtures/photo/sampling/422.jpg"),
    include_bytes!("fixtures/photo/sampling/440.jpg"),
];

/// A photo without two equal rows, so that a row in the wrong place shows.
fn gradient() -> RgbImage {
    RgbImage::from_fn(40, 60, |x, y| image::Rgb([(x * 6) as u8, (y * 4) as u8, (x * 31 + y * 17) as u8]))
}

fn encode(image: RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(image).write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// One valid file of each format.
fn valid_files() -> Vec<Vec<u8>> {
    use ImageFormat::{Bmp, Gif, Png, Pnm, Tiff, WebP};
    let small = || image::imageops::thumbnail(&gradient(), 10, 15);
    let rasters = [Bmp, Gif, Png, Pnm, Tiff, WebP].map(|format| encode(small(), format));
    rasters.into_iter().chain(JPEGS.map(<[u8]>::to_vec)).collect()
}

#[test]
fn a_png_keeps_the_rows_before_the_damage() {
    let whole = encode(gradient(), ImageFormat::Png);
    let limits = Limits::default();
    let mut kept_before = 0;
    for percent in [30, 60, 90] {
        let photo = Photo::decode(&whole[..whole.len() * percent / 100], &limits).expect("some rows");
        assert_eq!((photo.width(), photo.height()), (40, 60));
        let same = photo.rgb().iter().zip(gradient().as_raw()).take_while(|(a, b)| a == b).count();
        assert!(same > kept_before, "{percent} % of the file keeps {same} samples");
        kept_before = same;
    }
    let header = Photo::decode(&whole[..whole.len() / 50], &limits).unwrap_err();
    assert_eq!(header.kind.code(), "broken_image");
}

#[test]
fn a_jpeg_keeps_the_blocks_before_the_damage() {
    let whole = Photo::decode(JPEGS[0], &Limits::default()).unwrap();
    // Of the last 12 bytes, the pixels of the upper half take fewer than 6.
    let cut = Photo::decode(&JPEGS[0][..JPEGS[0].len() - 6], &Limits::default()).unwrap();
    assert_eq!((cut.width(), cut.height()), (16, 16));
    assert_eq!(cut.rgb()[..8 * 16 * 3], whole.rgb()[..8 * 16 * 3]);
    assert_ne!(cut, whole);
}

/// Small enough that a header which lies costs no time.
fn limits() -> Limits {
    Limits { max_pixels: 1_000_000, max_decode_bytes: 64 << 20, ..Limits::default() }
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let whole = Photo::decode(bytes, &limits());
    for reduction in Reduction::ALL {
        let limits = limits();
        let reduced = ReducedPhoto::decode(bytes, &limits, reduction);
        prop_assert_eq!(reduced.is_ok(), whole.is_ok());
        if let (Ok(reduced), Ok(whole)) = (reduced, &whole) {
            prop_assert_eq!((reduced.width(), reduced.height()), (whole.width(), whole.height()));
            let (photo, reduction) = (reduced.photo(), reduced.reduction());
            let size = (reduction.reduced(whole.width()), reduction.reduced(whole.height()));
            prop_assert_eq!((photo.width(), photo.height()), size);
            prop_assert_eq!(photo.rgb().len(), photo.width() as usize * photo.height() as usize * 3);
        }
    }
    if let Ok(photo) = whole {
        prop_assert!(photo.width() > 0 && photo.height() > 0);
        prop_assert!(u64::from(photo.width()) * u64::from(photo.height()) <= limits().max_pixels);
        prop_assert_eq!(photo.rgb().len(), photo.width() as usize * photo.height() as usize * 3);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_behind_any_signature(file in 0..13_usize, keep in 2..40_usize, noise: Vec<u8>) {
        let file = &valid_files()[file];
        check(&[&file[..keep.min(file.len())], &noise].concat())?;
    }

    #[test]
    fn valid_files_with_some_bytes_changed(
        file in 0..13_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut: Option<prop::sample::Index>,
    ) {
        let mut file = valid_files().swap_remove(file);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        check(&file)?;
    }
}

//! What comes out of small files made here: formats, colours, orientation, limits, resizing.
//!
//! The JPEG fixtures were written by Pillow 13.0, and the expected numbers are what Pillow makes of
//! the same files.

mod support;

use std::io::Cursor;

use facerecog_engine::photo::{self, Limits, Photo, PhotoErrorKind};
use image::codecs::{png::PngEncoder, webp::WebPEncoder};
use image::{DynamicImage, ExtendedColorType, GrayAlphaImage, ImageBuffer, ImageEncoder, ImageFormat, RgbaImage};
use support::exif::{block as exif, jpeg_with_exif};

/// Two rows of three pixels, all different.
const COLOURS: [[u8; 3]; 6] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 99, 199], [255, 255, 255], [0, 0, 0]];

const QUADRANTS: &[u8] = include_bytes!("fixtures/photo/quadrants.jpg");

fn decode(bytes: &[u8]) -> Photo {
    Photo::decode(bytes, &Limits::default()).expect("a valid photo")
}

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn rgb_image() -> image::RgbImage {
    image::RgbImage::from_raw(3, 2, COLOURS.concat()).unwrap()
}

#[test]
fn lossless_formats_keep_every_pixel() {
    use ImageFormat::{Bmp, Gif, Png, Pnm, Tiff, WebP};
    for format in [Bmp, Gif, Png, Pnm, Tiff, WebP] {
        let photo = decode(&encode(rgb_image(), format));
        assert_eq!((photo.width(), photo.height()), (3, 2), "{format:?}");
        assert_eq!(photo.rgb(), COLOURS.concat(), "{format:?}");
    }
}

#[test]
fn headers_claim_the_size_that_decoding_finds() {
    use ImageFormat::{Bmp, Gif, Png, Tiff, WebP};
    assert_eq!(photo::claimed_size(b"P3 3 2 255 ..."), Some((3, 2)));
    for format in [Bmp, Gif, Png, Tiff, WebP] {
        assert_eq!(photo::claimed_size(&encode(rgb_image(), format)), Some((3, 2)), "{format:?}");
    }
    let quadrants = decode(QUADRANTS);
    assert_eq!(photo::claimed_size(QUADRANTS), Some((quadrants.width(), quadrants.height())));
    for nothing in [&b""[..], b"no photo", b"\xff\xd8", &QUADRANTS[..20], b"P6", b"RIFF\0\0\0\0WEBP", b"GIF89a"] {
        assert_eq!(photo::claimed_size(nothing), None, "{}", nothing.escape_ascii());
    }
}

#[test]
fn alpha_is_dropped_and_16_bits_are_scaled() {
    let with_alpha: Vec<u8> = COLOURS.iter().flat_map(|&[r, g, b]| [r, g, b, 128]).collect();
    let rgba = RgbaImage::from_raw(3, 2, with_alpha).unwrap();
    let rgb16 = ImageBuffer::from_raw(3, 2, COLOURS.concat().iter().map(|&v| u16::from(v) * 257).collect()).unwrap();
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        assert_eq!(decode(&encode(rgba.clone(), format)).rgb(), COLOURS.concat(), "{format:?}");
        assert_eq!(decode(&encode(DynamicImage::ImageRgb16(rgb16.clone()), format)).rgb(), COLOURS.concat());
        let grey16 = ImageBuffer::from_raw(2, 1, vec![0x1234_u16, 0xffff]).unwrap();
        let grey16 = decode(&encode(DynamicImage::ImageLuma16(grey16), format));
        assert_eq!(grey16.rgb(), [0x12, 0x12, 0x12, 255, 255, 255], "{format:?}");
    }
    let grey_alpha = GrayAlphaImage::from_raw(2, 1, vec![10, 0, 200, 255]).unwrap();
    assert_eq!(decode(&encode(grey_alpha, ImageFormat::Png)).rgb(), [10, 10, 10, 200, 200, 200]);
}

#[test]
fn every_portable_map_is_read() {
    let grey = [0, 0, 0, 255, 255, 255];
    let files: [(&[u8], [u8; 6]); 7] = [
        (b"P1 2 1 1 0", grey),
        (b"P2 2 1 255 0 255", grey),
        (b"P3 2 1 255 1 2 3 4 5 6", [1, 2, 3, 4, 5, 6]),
        (b"P4 2 1 \x80", grey),
        (b"P5 2 1 255 \x00\xff", grey),
        (b"P6 2 1 255 \x01\x02\x03\x04\x05\x06", [1, 2, 3, 4, 5, 6]),
        (
            b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n\x01\x02\x03\x04\x05\x06",
            [1, 2, 3, 4, 5, 6],
        ),
    ];
    for (file, rgb) in files {
        assert_eq!(decode(file).rgb(), rgb, "{}", file.escape_ascii());
    }
}

/// The colours of the four quadrants of a fixture.
type Corners = [[u8; 3]; 4];

#[test]
fn jpeg_colour_models_agree_with_pillow() {
    let colours = [[200, 40, 40], [40, 200, 40], [40, 40, 200], [230, 230, 60]];
    let files: [(&str, &[u8], Corners); 6] = [
        ("YCbCr", QUADRANTS, colours),
        ("progressive", include_bytes!("fixtures/photo/quadrants_progressive.jpg"), colours),
        ("RGB", include_bytes!("fixtures/photo/quadrants_rgb.jpg"), colours),
        ("CMYK", include_bytes!("fixtures/photo/quadrants_cmyk.jpg"), colours),
        (
            "YCCK",
            include_bytes!("fixtures/photo/quadrants_ycck.jpg"),
            [[200, 40, 40], [40, 200, 40], [32, 32, 158], [116, 115, 30]],
        ),
        ("grey", include_bytes!("fixtures/photo/quadrants_grey.jpg"), [[88; 3], [134; 3], [58; 3], [211; 3]]),
    ];
    for (name, file, expected) in files {
        let photo = decode(file);
        assert_eq!((photo.width(), photo.height()), (16, 16), "{name}");
        for ((x, y), expected) in [(3, 3), (12, 3), (3, 12), (12, 12)].into_iter().zip(expected) {
            let pixel = &photo.rgb()[(y * 16 + x) * 3..][..3];
            let close = pixel.iter().zip(expected).all(|(&a, b)| a.abs_diff(b) <= 2);
            assert!(close, "{name} at {x},{y}: {pixel:?}, not {expected:?}");
        }
    }
}

/// An uncompressed RGB TIFF of [`COLOURS`].
fn tiff(orientation: u8) -> Vec<u8> {
    // Tag, type (3: u16, 4: u32), count, value; the pixels follow the header, the sizes of the
    // samples the pixels.
    let entries: [(u16, u16, u32, u32); 10] = [
        (256, 3, 1, 3),
        (257, 3, 1, 2),
        (258, 3, 3, 8 + 18),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8),
        (274, 3, 1, orientation.into()),
        (277, 3, 1, 3),
        (278, 3, 1, 2),
        (279, 4, 1, 18),
    ];
    let mut file = b"II*\0".to_vec();
    file.extend(32_u32.to_le_bytes());
    file.extend(COLOURS.concat());
    file.extend([8, 0, 8, 0, 8, 0]);
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    file
}

#[test]
fn exif_orientation_is_applied_in_every_format_that_has_it() {
    // Where each stored pixel goes, from the definition of the tag (EXIF 2.32, 4.6.5.1.6): 6 means
    // that the stored first row is the right side of the upright photo, and so on.
    let upright: [(u8, u32, [usize; 6]); 10] = [
        (0, 3, [0, 1, 2, 3, 4, 5]),
        (1, 3, [0, 1, 2, 3, 4, 5]),
        (2, 3, [2, 1, 0, 5, 4, 3]),
        (3, 3, [5, 4, 3, 2, 1, 0]),
        (4, 3, [3, 4, 5, 0, 1, 2]),
        (5, 2, [0, 3, 1, 4, 2, 5]),
        (6, 2, [3, 0, 4, 1, 5, 2]),
        (7, 2, [5, 2, 4, 1, 3, 0]),
        (8, 2, [2, 5, 1, 4, 0, 3]),
        (9, 3, [0, 1, 2, 3, 4, 5]),
    ];
    for (orientation, width, order) in upright {
        let expected = order.map(|i| COLOURS[i]).concat();
        let mut png = Vec::new();
        let mut encoder = PngEncoder::new(&mut png);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.write_image(&COLOURS.concat(), 3, 2, ExtendedColorType::Rgb8).unwrap();
        let mut webp = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata([b"Exif\0\0".as_slice(), &exif(orientation)].concat()).unwrap();
        encoder.write_image(&COLOURS.concat(), 3, 2, ExtendedColorType::Rgb8).unwrap();
        for (format, file) in [("PNG", png), ("WebP", webp), ("TIFF", tiff(orientation))] {
            let photo = decode(&file);
            assert_eq!((photo.width(), photo.height()), (width, 6 / width), "{format} {orientation}");
            assert_eq!(photo.rgb(), expected, "{format} {orientation}");
        }
    }
    // Turned by 90° clockwise, the lower left quadrant is the upper left one.
    let stored = decode(QUADRANTS);
    let turned = decode(&jpeg_with_exif(QUADRANTS, &exif(6)));
    assert_eq!(turned.rgb()[..3], stored.rgb()[15 * 16 * 3..][..3]);
}

#[test]
fn a_broken_exif_block_means_no_orientation() {
    let stored = decode(QUADRANTS);
    let mut endless = exif(6);
    endless[7] = 0xff;
    let mut of_another_type = exif(6);
    of_another_type[13] = 2;
    for block in [b"".as_slice(), b"MM", b"no TIFF header", &exif(6)[..12], &endless, &of_another_type] {
        assert_eq!(decode(&jpeg_with_exif(QUADRANTS, block)), stored, "{}", block.escape_ascii());
    }
}

#[test]
fn limits_are_checked_from_the_header() {
    // A header that claims more than it holds: were pixels allocated first, these would take 9 GB.
    let bitmap = {
        let mut file = encode(rgb_image(), ImageFormat::Bmp);
        file[18..26].copy_from_slice(&[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0]);
        file
    };
    let size = |file: &[u8], limits: &Limits| match Photo::decode(file, limits).unwrap_err().kind {
        PhotoErrorKind::TooManyPixels { width, height, limit } => (width, height, limit),
        kind => panic!("{kind}"),
    };
    let defaults = Limits::default();
    assert_eq!(size(&bitmap, &defaults), (60_000, 60_000, "100000000 pixels".into()));
    assert_eq!(size(b"P6 60000 60000 255 ", &defaults), (60_000, 60_000, "100000000 pixels".into()));
    assert_eq!(size(b"P6 70000 1 255 ", &defaults), (70_000, 1, "65535 pixels a side".into()));

    use ImageFormat::{Bmp, Gif, Png, Pnm, Tiff, WebP};
    for file in [Bmp, Gif, Png, Pnm, Tiff, WebP].map(|format| encode(rgb_image(), format)) {
        let format = file[..4].escape_ascii();
        assert_eq!(size(&file, &Limits { max_pixels: 5, ..defaults.clone() }).2, "5 pixels", "{format}");
        assert_eq!(size(&file, &Limits { max_side: 2, ..defaults.clone() }).2, "2 pixels a side", "{format}");
        let no_memory = Limits { max_decode_bytes: 10, ..defaults.clone() };
        assert_eq!(size(&file, &no_memory).2, "10 bytes of memory to decode", "{format}");
        assert!(Photo::decode(&file, &Limits { max_pixels: 6, max_side: 3, ..defaults.clone() }).is_ok(), "{format}");
    }
    let pixels = Limits { max_pixels: 255, ..defaults.clone() };
    assert_eq!(size(QUADRANTS, &pixels).2, "255 pixels");
    // The pixels alone are 768 bytes; progressive files need their coefficients as well.
    let memory = Limits { max_decode_bytes: 768, ..defaults.clone() };
    assert_eq!(size(QUADRANTS, &memory).2, "768 bytes of memory to decode");

    let error = Photo::decode(QUADRANTS, &Limits { max_file_bytes: 303, ..defaults }).unwrap_err();
    assert!(matches!(error.kind, PhotoErrorKind::FileTooLarge { bytes: 304, limit: 303 }), "{error}");
}

#[test]
fn errors_are_typed_and_name_the_file() {
    let code = |bytes: &[u8]| Photo::decode(bytes, &Limits::default()).unwrap_err().kind.code();
    assert_eq!(code(b""), "empty_file");
    assert_eq!(code(b"<html>not found</html>"), "unknown_format");
    assert_eq!(code(b"\xff\xd8\xff\xd9"), "broken_image");
    assert_eq!(code(b"P6 0 0 255 "), "broken_image");
    assert_eq!(code(&encode(rgb_image(), ImageFormat::WebP)[..30]), "broken_image");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holiday.png");
    std::fs::write(&path, "<html>").unwrap();
    let error = Photo::open(&path, &Limits::default()).unwrap_err();
    assert_eq!(error.path.as_deref(), Some(path.as_path()));
    assert!(
        error
            .to_string()
            .ends_with("holiday.png: not an image in a supported format (JPEG, PNG, WebP, GIF, BMP, TIFF, PNM)")
    );

    // The content decides, not the name.
    std::fs::write(&path, QUADRANTS).unwrap();
    assert_eq!(Photo::open(&path, &Limits::default()).unwrap(), decode(QUADRANTS));
}

#[test]
fn resizing_agrees_with_pillow() {
    let (width, height) = (7_u32, 5_u32);
    let rgb = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| [x * 37 + y * 11, x * x * 13 + y * 29, x * 91 + y * y * 53].map(|v| (v % 256) as u8));
    let photo = Photo::from_rgb(width, height, rgb.collect());
    assert_eq!(photo.resize(width, height), photo);

    // Pillow 13.0, Image.resize(size, Image.BILINEAR).
    let smaller = [
        11, 29, 80, 48, 42, 101, 85, 81, 192, 122, 146, 97, 159, 167, 118, 196, 98, 209, 233, 171, 114, 33, 87, 166,
        70, 100, 95, 107, 139, 104, 144, 204, 183, 181, 51, 112, 218, 156, 121, 174, 55, 200,
    ];
    assert_close(&photo.resize(7, 2), &smaller);
    let smallest = [43, 46, 113, 122, 127, 131, 201, 139, 156, 65, 104, 122, 144, 144, 139, 194, 98, 147];
    assert_close(&photo.resize(3, 2), &smallest);
    let first_row_of_larger = [
        0, 0, 0, 17, 6, 41, 40, 17, 99, 64, 41, 157, 87, 76, 122, 111, 117, 17, 135, 175, 75, 158, 170, 133, 182, 82,
        191, 205, 147, 109, 222, 212, 34,
    ];
    let larger = photo.resize(11, 8);
    assert_eq!((larger.width(), larger.height()), (11, 8));
    assert_close(&Photo::from_rgb(11, 1, larger.rgb()[..33].to_vec()), &first_row_of_larger);

    assert_eq!((photo.resize(0, 3).width(), photo.resize(4, 0).height()), (1, 1));
}

fn assert_close(photo: &Photo, expected: &[u8]) {
    assert_eq!(photo.rgb().len(), expected.len());
    let close = photo.rgb().iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
    assert!(close, "{:?}, not {expected:?}", photo.rgb());
}

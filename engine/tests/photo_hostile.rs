//! Every file of the shared folder of hostile photos: an answer or a typed error each.
//!
//! The folder is found by `FACERECOG_SHARED`; without it these tests say so and check nothing.

use std::path::{Path, PathBuf};

use facerecog_engine::photo::{self, Limits, Photo, ReducedPhoto, Reduction};

/// `data/hostile` of the shared folder, if there is one.
fn hostile() -> Option<PathBuf> {
    let shared = std::env::var_os("FACERECOG_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let folder = shared.join("data/hostile");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there; set FACERECOG_SHARED", folder.display());
    None
}

fn files_under(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_under(&path, files) } else { files.push(path) }
    }
}

fn open(path: &Path) -> Photo {
    Photo::open(path, &Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_file_is_answered() {
    let Some(folder) = hostile() else { return };
    let mut files = Vec::new();
    files_under(&folder, &mut files);
    assert!(files.len() > 300, "{} files", files.len());
    let limits = Limits::default();
    let mut decoded = 0;
    for file in files {
        let opened = Photo::open(&file, &limits);
        if let Ok(bytes) = photo::read(&file, &limits) {
            for reduction in [Reduction::Half, Reduction::Quarter, Reduction::Eighth] {
                let reduced = ReducedPhoto::decode(&bytes, &limits, reduction);
                let size = |reduced: ReducedPhoto<'_>| (reduced.width(), reduced.height());
                let whole = opened.as_ref().map(|photo| (photo.width(), photo.height()));
                assert_eq!(reduced.map(size).ok(), whole.ok(), "{}", file.display());
            }
        }
        match opened {
            Ok(photo) => {
                decoded += 1;
                assert!(u64::from(photo.width()) * u64::from(photo.height()) <= limits.max_pixels);
                assert_eq!(photo.rgb().len(), photo.width() as usize * photo.height() as usize * 3);
            }
            Err(error) => {
                assert_eq!(error.path.as_deref(), Some(file.as_path()));
                let refused = ["broken_image", "empty_file", "too_many_pixels", "unknown_format"];
                assert!(refused.contains(&error.kind.code()), "{error}");
            }
        }
    }
    assert!(decoded > 250, "only {decoded} files could be decoded");
}

/// What is no photo, or claims to be a giant, and why it is refused.
const REFUSED: &[(&str, &str)] = &[
    ("made-here/html_named.jpg", "unknown_format"),
    ("made-here/jpeg_sof_claims_0x0.jpg", "broken_image"),
    ("made-here/jpeg_sof_claims_65500x65500.jpg", "too_many_pixels"),
    ("made-here/one_byte.jpg", "unknown_format"),
    ("made-here/only_soi.jpg", "broken_image"),
    ("made-here/png_1x200000_gray.png", "too_many_pixels"),
    ("made-here/png_200000x1_gray.png", "too_many_pixels"),
    ("made-here/png_bomb_20000x20000_gray1.png", "too_many_pixels"),
    ("made-here/png_bomb_20000x20000_rgb8.png", "too_many_pixels"),
    ("made-here/png_header_0x0.png", "broken_image"),
    ("made-here/png_header_2147483647x2147483647.png", "too_many_pixels"),
    ("made-here/png_header_lies_65535x65535_rgba16.png", "too_many_pixels"),
    ("made-here/png_signature_only.png", "broken_image"),
    ("made-here/random_64k.jpg", "unknown_format"),
    ("made-here/soi_eoi.jpg", "broken_image"),
    ("made-here/text_named.jpg", "unknown_format"),
    ("made-here/zero_bytes.jpg", "empty_file"),
    ("made-here/zeros_64k.jpg", "unknown_format"),
    ("image-rs/qoi/basic-test.qoi", "unknown_format"),
];

#[test]
fn what_is_no_photo_is_refused_for_its_reason() {
    let Some(folder) = hostile() else { return };
    for (name, code) in REFUSED {
        let error = Photo::open(folder.join(name), &Limits::default()).expect_err(name);
        assert_eq!(error.kind.code(), *code, "{error}");
    }
}

/// The suite's own rule: names that start with x are broken on purpose, all others are valid. Of
/// the broken ones, `xcsn0g01` is whole but for a checksum at the end of its pixels, so that
/// Pillow shows it, as we do. Those whose signature itself is damaged are not even PNG.
#[test]
fn the_png_suite_is_told_good_from_broken() {
    let Some(folder) = hostile() else { return };
    let mut files = Vec::new();
    files_under(&folder.join("pngsuite"), &mut files);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "png"));
    assert!(files.len() > 140, "{} files", files.len());
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let answer = Photo::open(&file, &Limits::default());
        if name.starts_with('x') && name != "xcsn0g01" {
            let signature_is_damaged = ["xs", "xcr", "xlf"].iter().any(|start| name.starts_with(start));
            let code = if signature_is_damaged { "unknown_format" } else { "broken_image" };
            let error = answer.expect_err(&name);
            assert_eq!(error.kind.code(), code, "{error}");
        } else {
            assert!(answer.is_ok(), "{}", answer.unwrap_err());
        }
    }
}

/// Width, height, and the mean colour of the four quadrants (upper left, upper right, lower left,
/// lower right), by Pillow 13.0: `ImageOps.exif_transpose`, then `convert("RGB")`; of 16-bit grey,
/// which Pillow cannot convert, the upper 8 bits.
type Quadrants = [[f64; 3]; 4];
#[rustfmt::skip]
const BY_PILLOW: &[(&str, u32, u32, Quadrants)] = &[
    ("made-here/face.bmp", 512, 640, [[139.4, 96.5, 95.4], [131.0, 91.5, 86.4], [67.0, 55.9, 66.0], [42.6, 42.8, 50.7]]),
    ("made-here/face.gif", 512, 640, [[139.0, 96.9, 95.1], [131.0, 91.5, 86.2], [67.3, 55.9, 66.3], [42.6, 42.5, 50.9]]),
    ("made-here/face.tiff", 512, 640, [[139.4, 96.5, 95.4], [131.0, 91.5, 86.4], [67.0, 55.9, 66.0], [42.6, 42.8, 50.7]]),
    ("made-here/face.webp", 512, 640, [[139.5, 96.6, 95.5], [131.2, 91.6, 86.4], [67.1, 56.1, 66.1], [42.6, 42.9, 50.7]]),
    ("made-here/face_1bit.png", 512, 640, [[108.6, 108.6, 108.6], [102.0, 102.0, 102.0], [59.7, 59.7, 59.7], [42.9, 42.9, 42.9]]),
    ("made-here/face_cmyk.jpg", 512, 640, [[139.4, 96.5, 95.4], [131.0, 91.5, 86.4], [67.0, 55.9, 66.0], [42.6, 42.8, 50.7]]),
    ("made-here/face_exif_1.jpg", 512, 640, [[139.4, 96.5, 95.4], [131.0, 91.5, 86.4], [67.1, 55.9, 66.1], [42.6, 42.7, 50.7]]),
    ("made-here/face_exif_5.jpg", 512, 640, [[139.4, 96.5, 95.4], [131.0, 91.4, 86.4], [67.1, 55.9, 66.1], [42.6, 42.7, 50.7]]),
    ("made-here/face_exif_8.jpg", 512, 640, [[139.4, 96.5, 95.4], [131.0, 91.5, 86.4], [67.1, 55.9, 66.1], [42.6, 42.7, 50.7]]),
    ("made-here/face_gray.jpg", 512, 640, [[109.2, 109.2, 109.2], [102.7, 102.7, 102.7], [60.4, 60.4, 60.4], [43.6, 43.6, 43.6]]),
    ("made-here/face_gray16.png", 512, 640, [[109.2, 109.2, 109.2], [102.7, 102.7, 102.7], [60.4, 60.4, 60.4], [43.6, 43.6, 43.6]]),
    ("made-here/face_gray_alpha.png", 512, 640, [[109.2, 109.2, 109.2], [102.7, 102.7, 102.7], [60.4, 60.4, 60.4], [43.6, 43.6, 43.6]]),
    ("made-here/face_jpeg_progressive_trailing_junk.jpg", 512, 640, [[139.4, 96.5, 95.4], [131.0, 91.5, 86.4], [67.1, 55.9, 66.1], [42.6, 42.7, 50.7]]),
    ("made-here/face_palette.png", 512, 640, [[139.0, 96.9, 95.1], [131.0, 91.5, 86.2], [67.3, 55.9, 66.3], [42.6, 42.5, 50.9]]),
    ("made-here/face_rgba.tiff", 512, 640, [[139.4, 96.5, 95.4], [131.0, 91.5, 86.4], [67.0, 55.9, 66.0], [42.6, 42.8, 50.7]]),
    ("made-here/face_rgba.webp", 512, 640, [[139.6, 96.6, 95.4], [131.2, 91.6, 86.4], [67.1, 56.1, 66.1], [42.6, 42.9, 50.6]]),
    ("made-here/face_rgba_half.png", 512, 640, [[139.4, 96.5, 95.4], [131.0, 91.5, 86.4], [67.0, 55.9, 66.0], [42.6, 42.8, 50.7]]),
    ("exif-orientation/Landscape_6.jpg", 1800, 1200, [[138.2, 167.9, 203.0], [92.9, 108.0, 126.3], [80.9, 95.1, 103.3], [81.8, 92.1, 104.0]]),
    ("exif-orientation/Portrait_7.jpg", 1200, 1800, [[145.1, 159.2, 167.7], [178.4, 187.7, 196.2], [121.9, 132.7, 139.0], [132.2, 143.3, 149.1]]),
    ("pngsuite/basi0g01.png", 32, 32, [[201.2, 201.2, 201.2], [119.5, 119.5, 119.5], [119.5, 119.5, 119.5], [57.8, 57.8, 57.8]]),
    ("pngsuite/basi3p04.png", 32, 32, [[177.4, 207.2, 4.2], [11.7, 230.6, 146.6], [11.7, 230.6, 146.6], [77.6, 47.8, 250.8]]),
    ("pngsuite/basi6a16.png", 32, 32, [[223.5, 223.5, 0.0], [31.5, 223.5, 31.5], [223.5, 31.5, 31.5], [31.5, 31.5, 192.0]]),
    ("pngsuite/basn4a16.png", 32, 32, [[126.3, 126.3, 126.3], [126.3, 126.3, 126.3], [126.3, 126.3, 126.3], [126.3, 126.3, 126.3]]),
    ("pngsuite/tbbn2c16.png", 32, 32, [[171.2, 177.4, 154.6], [168.1, 148.2, 162.1], [163.5, 206.1, 163.5], [166.1, 166.1, 197.2]]),
    ("image-rs/tiff/testsuite/mandrill.tiff", 512, 512, [[123.6, 123.1, 104.3], [126.6, 138.7, 123.6], [163.0, 129.7, 107.5], [136.3, 124.0, 117.1]]),
    ("image-rs/bmp/images/V3_R5_G6_B5_Top_Down.bmp", 6, 6, [[170.0, 85.0, 0.0], [170.0, 85.0, 0.0], [0.0, 85.0, 170.0], [0.0, 85.0, 170.0]]),
    ("image-rs/jpg/progressive/cat.jpg", 320, 240, [[143.8, 148.2, 133.2], [139.9, 150.5, 122.0], [138.4, 138.9, 141.3], [127.8, 135.2, 115.7]]),
    ("image-rs/tiff/testsuite/rgb-3c-16b.tiff", 157, 151, [[165.5, 107.0, 61.2], [157.2, 134.9, 81.5], [142.4, 121.1, 61.0], [135.2, 100.3, 61.6]]),
    ("image-rs/pbm/images/issue-794.pbm", 10, 10, [[153.0, 153.0, 153.0], [153.0, 153.0, 153.0], [153.0, 153.0, 153.0], [153.0, 153.0, 153.0]]),
];

fn quadrants(photo: &Photo) -> Quadrants {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let mut sums = [[0.0; 3]; 4];
    let mut counts = [0.0; 4];
    for (i, pixel) in photo.rgb().chunks_exact(3).enumerate() {
        let quadrant = usize::from(i % width >= width / 2) + 2 * usize::from(i / width >= height / 2);
        counts[quadrant] += 1.0;
        for (sum, &sample) in sums[quadrant].iter_mut().zip(pixel) {
            *sum += f64::from(sample);
        }
    }
    std::array::from_fn(|i| sums[i].map(|sum| sum / counts[i]))
}

#[test]
fn pixels_agree_with_pillow() {
    let Some(folder) = hostile() else { return };
    for (name, width, height, expected) in BY_PILLOW {
        let photo = open(&folder.join(name));
        assert_eq!((photo.width(), photo.height()), (*width, *height), "{name}");
        // Two decoders may round a sample apart, in JPEG by more than one where chroma is
        // upsampled; half a step of the mean is all that may leave.
        for (found, expected) in quadrants(&photo).iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() <= 0.6, "{name}: {found:.1}, not {expected}");
        }
    }
}

/// Mean absolute difference of all samples.
fn difference(a: &Photo, b: &Photo) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let sum: u64 = a.rgb().iter().zip(b.rgb()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.rgb().len() as f64
}

#[test]
fn all_orientations_are_the_same_photo() {
    let Some(folder) = hostile() else { return };
    for series in ["made-here/face_exif_", "exif-orientation/Landscape_", "exif-orientation/Portrait_"] {
        let of = |orientation: u8| open(&folder.join(format!("{series}{orientation}.jpg")));
        let first = of(1);
        for orientation in 2..=8 {
            // Each was compressed anew; mirrored or turned, they would differ by 40 and more.
            let difference = difference(&first, &of(orientation));
            assert!(difference < 4.0, "{series}{orientation}: {difference}");
        }
    }
}

/// Reduced, a photo has the colours of the whole.
#[test]
fn reduced_photos_agree_with_pillow() {
    let Some(folder) = hostile() else { return };
    for (name, width, height, expected) in
        BY_PILLOW.iter().filter(|(name, width, ..)| name.ends_with(".jpg") && *width > 500)
    {
        let limits = Limits::default();
        let bytes = photo::read(folder.join(name), &limits).unwrap();
        for reduction in Reduction::ALL {
            let reduced = ReducedPhoto::decode(&bytes, &limits, reduction).unwrap();
            assert_eq!((reduced.width(), reduced.height()), (*width, *height), "{name}");
            let found = quadrants(reduced.photo());
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() <= 0.8, "{name} {reduction:?}: {found:.1}, not {expected}");
            }
        }
    }
}

#[test]
fn damaged_photos_show_what_precedes_the_damage() {
    let Some(folder) = hostile() else { return };
    let whole_jpeg = open(&folder.join("made-here/face_jpeg_trailing_junk.jpg"));
    let whole_png = open(&folder.join("made-here/face_png_trailing_junk.png"));
    let upper = |photo: &Photo, rows: usize| photo.rgb()[..rows * photo.width() as usize * 3].to_vec();
    // How many rows Pillow, told to load truncated images, shows undamaged; of JPEG whole blocks.
    let jpegs = [("50pc.jpg", 272), ("90pc.jpg", 528), ("99pc.jpg", 608)];
    let pngs = [("50pc.png", 316), ("90pc.png", 565), ("99pc.png", 632)];
    for (kind, whole, files) in [("jpeg", &whole_jpeg, jpegs), ("png", &whole_png, pngs)] {
        for (end, rows) in files {
            let name = format!("made-here/face_{kind}_truncated_{end}");
            let photo = open(&folder.join(&name));
            assert_eq!(upper(&photo, rows), upper(whole, rows), "{name}");
            assert_ne!(&photo, whole, "{name}");
        }
    }
    // A progressive photo is whole from its first scan on, only less sharp.
    let whole = open(&folder.join("made-here/face_jpeg_progressive_trailing_junk.jpg"));
    let mut coarser = f64::INFINITY;
    for percent in [10, 50, 90] {
        let photo = open(&folder.join(format!("made-here/face_jpeg_progressive_truncated_{percent}pc.jpg")));
        let difference = difference(&whole, &photo);
        assert!(difference < 16.0 && difference < coarser, "{percent} %: {difference}");
        coarser = difference;
    }
}

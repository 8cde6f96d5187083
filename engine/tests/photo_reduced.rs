//! JPEG files decoded whole, at a half, a quarter and an eighth of their sides.

mod support;

use facerecog_engine::Point;
use facerecog_engine::align::{Fit, align};
use facerecog_engine::photo::{Limits, Photo, PhotoErrorKind, ReducedPhoto, Reduction};
use sha2::{Digest, Sha256};
use support::exif::{block as exif, jpeg_with_exif};

/// A file of 67×45 pixels in each usual sampling, and the sha256 of the pixels that OpenCV 5.0 (libjpeg-turbo 3) decodes,
/// the least reduced first: `tests/peers/jpeg_opencv.py`.
const BY_OPENCV: [(&str, &[u8], [&str; 4]); 7] = [
    (
        "444.jpg",
        include_bytes!("fixtures/photo/sampling/444.jpg"),
        [
            "3031a721b22a6542fc7d1c94446ffed0c6a50e04bb94ea848a651e9a44be49e4",
            "3c7defd46e5c11b8bf38865961fc8b51c6845937e5dabcabd77280bdb7661ff9",
            "7e2fd0e1ba065fafbab198aea749d1a33105abf51e053724a9d622bea4d63730",
            "c67b8fb60bdbd3d8d0a49d305bf9959f1b6add1647f76e14b82c5e48b10ae383",
        ],
    ),
    (
        "422.jpg",
        include_bytes!("fixtures/photo/sampling/422.jpg"),
        [
            "b9f23270262ecbeeecb3b21164abdd4a7c852747ae3c4925698e8ff0fc29e5ed",
            "9dbc968fd73535c49903e8cb6f2df4671e0c7b8a45105e060558f6a630fd802e",
            "1d54a2b15d1efaf072ab6dc008ca000dcffe3e394ae2aab5347dc91974f4825f",
            "6bbab57874f01e16143e1265e3aa578463704e11f71dda2b1617b6ca547dd005",
        ],
    ),
    (
        "420.jpg",
        include_bytes!("fixtures/photo/sampling/420.jpg"),
        [
            "af2132440ff829345ba391168de24eda102a9bfa84c74831a734d379110a8444",
            "a72354bb4a03b1c73f9eabe33caea77dd0ec971e97718801b216a70d6d77fa46",
            "e577b858e177d55a6fdb0ad14788552a10f7a5aab0366261b4a4c77a392c772e",
            "ced1cc407172c4df3e882e79dfaf75a8874e16b4ae2edd4c95b48dc19605aec9",
        ],
    ),
    (
        "420_restarts.jpg",
        include_bytes!("fixtures/photo/sampling/420_restarts.jpg"),
        [
            "af2132440ff829345ba391168de24eda102a9bfa84c74831a734d379110a8444",
            "a72354bb4a03b1c73f9eabe33caea77dd0ec971e97718801b216a70d6d77fa46",
            "e577b858e177d55a6fdb0ad14788552a10f7a5aab0366261b4a4c77a392c772e",
            "ced1cc407172c4df3e882e79dfaf75a8874e16b4ae2edd4c95b48dc19605aec9",
        ],
    ),
    (
        "440.jpg",
        include_bytes!("fixtures/photo/sampling/440.jpg"),
        [
            "00548c064cbad1822870fd305c8799a81d9d2b7024ec20311449346e35f63b6f",
            "c166d730059ef9c4fbec1cb1f7a5a0dc42c17c952fc18b481b162ae0b0787ac0",
            "f7f5cf137bb98492cf195833c44f31297250957fb537580d50cb26cf936a3609",
            "c7608a4da0cfb429bb4442ea8c09a2f73aff72c7a21ed18699c5ed682fdd1798",
        ],
    ),
    (
        "411.jpg",
        include_bytes!("fixtures/photo/sampling/411.jpg"),
        [
            "9227d81b160cdb12cead2ff8274fb63a0dc0e494e815a6cf7a2d5f0bfacbe90d",
            "413947fe0bbbc13f3f49cdfc23d09a1d83f9f317ba13ae9952a83828629fcba9",
            "37e1f6e90eef733c121d8d1a8c43ddc0bf1c1f26b0bdb9314c7f01249162ca86",
            "bebfba35dacea59126e2203a465e1b76d1983ef8734042e44f7dae37d9450b6a",
        ],
    ),
    (
        "grey.jpg",
        include_bytes!("fixtures/photo/sampling/grey.jpg"),
        [
            "86037933a7e206fbed0d2ac8cfe541c6896cd217154903c4011833c6a59a8337",
            "0e7ba1cffdf6089c3b2c6120ab55d3a7327f8d863e8c7dd3a2c377ce1644a8dc",
            "37630ffb9067c747a5d137014dc2e58b979b6d592ec4b4fa7b4f71966dac1654",
            "f8a293f1fcac61025e04c8e09abd3cafcb6ad70eaae1ea0e0d245e84f7cdaee5",
        ],
    ),
];

fn file(name: &str) -> &'static [u8] {
    BY_OPENCV.iter().find(|(of, ..)| *of == name).expect("a file of the table").1
}

fn decode(file: &[u8], reduction: Reduction) -> Photo {
    let limits = Limits::default();
    ReducedPhoto::decode(file, &limits, reduction).expect("a valid photo").photo().clone()
}

#[test]
fn every_pixel_is_that_of_libjpeg_turbo() {
    for (name, file, expected) in BY_OPENCV {
        for (reduction, expected) in Reduction::ALL.into_iter().zip(expected) {
            let limits = Limits::default();
            let reduced = ReducedPhoto::decode(file, &limits, reduction).unwrap();
            assert_eq!((reduced.width(), reduced.height(), reduced.reduction()), (67, 45, reduction), "{name}");
            let photo = reduced.photo();
            assert_eq!((photo.width(), photo.height()), (reduction.reduced(67), reduction.reduced(45)), "{name}");
            let digest: String = Sha256::digest(photo.rgb()).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, expected, "{name} by {}", reduction.divisor());
        }
        assert_eq!(Photo::decode(file, &Limits::default()).unwrap(), decode(file, Reduction::None), "{name}");
    }
}

/// Other kinds of JPEG, and other formats, are decoded whole, and say so.
#[test]
fn what_cannot_be_reduced_is_whole() {
    let files: [&[u8]; 4] = [
        include_bytes!("fixtures/photo/quadrants_progressive.jpg"),
        include_bytes!("fixtures/photo/quadrants_rgb.jpg"),
        include_bytes!("fixtures/photo/quadrants_cmyk.jpg"),
        b"P3 2 1 255  255 0 0  0 0 255",
    ];
    for file in files {
        let limits = Limits::default();
        let reduced = ReducedPhoto::decode(file, &limits, Reduction::Quarter).unwrap();
        assert_eq!(reduced.reduction(), Reduction::None);
        assert_eq!(*reduced.photo(), Photo::decode(file, &limits).unwrap());
        assert_eq!((reduced.width(), reduced.height()), (reduced.photo().width(), reduced.photo().height()));
    }
}

/// A photo that is too large is refused however little of it is asked for.
#[test]
fn limits_are_those_of_the_whole_photo() {
    let defaults = Limits::default();
    let tight = [
        Limits { max_pixels: 67 * 45 - 1, ..defaults.clone() },
        Limits { max_side: 66, ..defaults.clone() },
        Limits { max_decode_bytes: 67 * 45 * 3, ..defaults.clone() },
    ];
    for limits in tight {
        let whole = Photo::decode(file("420.jpg"), &limits).unwrap_err();
        let reduced = ReducedPhoto::decode(file("420.jpg"), &limits, Reduction::Eighth).unwrap_err();
        assert!(matches!(reduced.kind, PhotoErrorKind::TooManyPixels { .. }), "{reduced}");
        assert_eq!(reduced.to_string(), whole.to_string());
    }
}

/// Where its data is damaged, a file shows what precedes the damage; with restarts also what follows it.
#[test]
fn damage_ends_at_the_next_restart() {
    let (whole_file, plain) = (file("420_restarts.jpg"), file("420.jpg"));
    for reduction in Reduction::ALL {
        let whole = decode(whole_file, reduction);
        let rows = |photo: &Photo, from: u32, to: u32| {
            let row = 3 * photo.width() as usize;
            photo.rgb()[row * (from / reduction.divisor()) as usize..row * (to / reduction.divisor()) as usize].to_vec()
        };
        // Ones alone are no code. 16 rows make a row of units, and a pixel looks at most one row farther.
        let restarts: Vec<usize> = (0..whole_file.len() - 1)
            .filter(|&at| whole_file[at] == 0xff && whole_file[at + 1] & 0xf8 == 0xd0)
            .collect();
        let middle = restarts[restarts.len() / 2];
        let mut damaged = whole_file.to_vec();
        (0..8).for_each(|at| damaged[middle + 2 + at] = [0xff, 0][at % 2]);
        let found = decode(&damaged, reduction);
        assert_ne!(found, whole, "{reduction:?}");
        assert_eq!(rows(&found, 0, 8), rows(&whole, 0, 8), "{reduction:?}");
        assert_eq!(rows(&found, 40, 45), rows(&whole, 40, 45), "{reduction:?}");

        // Half of the data is the upper row of units and a part of the middle one.
        let header = plain.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        let cut = decode(&plain[..header + (plain.len() - header) * 6 / 10], reduction);
        assert_eq!((cut.width(), cut.height()), (whole.width(), whole.height()));
        assert_eq!(rows(&cut, 0, 8), rows(&whole, 0, 8), "{reduction:?}");
        assert_eq!(cut.rgb().last_chunk(), Some(&[128; 3]), "{reduction:?}: what is missing is grey");
    }
}

/// A lost interval leaves a gap, and what follows stays where it belongs.
#[test]
fn an_interval_that_is_missing_is_left_out() {
    let whole_file = file("420_restarts.jpg");
    let restarts: Vec<usize> =
        (0..whole_file.len() - 1).filter(|&at| whole_file[at] == 0xff && whole_file[at + 1] & 0xf8 == 0xd0).collect();
    assert!(restarts.len() > 4, "{} restarts", restarts.len());
    let shorter = [&whole_file[..restarts[1]], &whole_file[restarts[2]..]].concat();
    for reduction in Reduction::ALL {
        let (whole, found) = (decode(whole_file, reduction), decode(&shorter, reduction));
        let row = 3 * whole.width() as usize;
        let last = (40 / reduction.divisor()) as usize * row;
        assert_ne!(found, whole);
        assert_eq!(found.rgb()[last..], whole.rgb()[last..], "{reduction:?}");
    }
}

/// Landmarks are in pixels of the whole photo, and lead to the same place in a reduced one, whichever way it is turned
/// and although 67 and 45 are no multiples of 4.
#[test]
fn crops_of_a_reduced_photo_lie_where_those_of_the_whole_do() {
    for orientation in 1..=8 {
        let file = jpeg_with_exif(file("444.jpg"), &exif(orientation));
        let limits = Limits::default();
        let whole = Photo::decode(&file, &limits).unwrap();
        // A square of 40 pixels in the middle, as a crop of 8: both are reduced by more than 4.
        let (x, y) = (whole.width() as f32 / 2.0, whole.height() as f32 / 2.0);
        let corners = [(-20.0, -20.0), (20.0, -20.0), (0.0, 0.0), (-20.0, 20.0), (20.0, 20.0)];
        let landmarks = corners.map(|(dx, dy)| Point::new(x + dx - 0.5, y + dy - 0.5));
        let template = corners.map(|(dx, dy)| Point::new(dx / 5.0 + 3.5, dy / 5.0 + 3.5));
        let expected = align(&whole, &landmarks, &template, Fit::Photo, 8);
        for reduction in [Reduction::Half, Reduction::Quarter] {
            let reduced = ReducedPhoto::decode(&file, &limits, reduction).unwrap();
            assert_eq!((reduced.width(), reduced.height()), (whole.width(), whole.height()));
            let found = align(&reduced, &landmarks, &template, Fit::Photo, 8);
            let sum: u32 = found.rgb().iter().zip(expected.rgb()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            let mean = f64::from(sum) / found.rgb().len() as f64;
            // A shift by one pixel of the whole photo makes 5 to 10.
            assert!(mean < 2.5, "orientation {orientation}, {reduction:?}: {mean}");
        }
    }
}

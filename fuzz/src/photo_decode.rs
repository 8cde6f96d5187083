//! A photo from a stranger: decoded within the limits or refused.

use facerecog_engine::photo::{self, Limits, Photo, ReducedPhoto, Reduction};

/// Panics when decoding does not keep what it promises.
pub fn photo_decode(bytes: &[u8]) {
    // Small enough that a header which lies costs no time.
    let limits = Limits { max_pixels: 1 << 20, max_side: 1 << 14, max_decode_bytes: 64 << 20, ..Limits::default() };
    // What it claims is not bound to what is inside.
    let _ = photo::claimed_size(bytes);
    let whole = Photo::decode(bytes, &limits);
    for reduction in Reduction::ALL {
        let reduced = ReducedPhoto::decode(bytes, &limits, reduction);
        assert_eq!(reduced.is_ok(), whole.is_ok(), "{reduction:?}");
        if let (Ok(reduced), Ok(whole)) = (&reduced, &whole) {
            let (photo, reduction) = (reduced.photo(), reduced.reduction());
            assert_eq!((reduced.width(), reduced.height()), (whole.width(), whole.height()));
            assert_eq!(photo.width(), reduction.reduced(whole.width()));
            assert_eq!(photo.height(), reduction.reduced(whole.height()));
            assert_eq!(photo.rgb().len(), photo.width() as usize * photo.height() as usize * 3);
        }
    }
    match whole {
        Ok(photo) => {
            let (width, height) = (photo.width(), photo.height());
            assert!((1..=limits.max_side).contains(&width) && (1..=limits.max_side).contains(&height));
            assert!(u64::from(width) * u64::from(height) <= limits.max_pixels, "{width}×{height}");
            assert_eq!(photo.rgb().len(), width as usize * height as usize * 3);
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.kind.code().is_empty()),
    }
}

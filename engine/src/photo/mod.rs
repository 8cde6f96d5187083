//! Photo bytes → upright RGB8 pixels, within limits.
//!
//! The format is told from the content, never from the name: JPEG, PNG, WebP, GIF, BMP, TIFF and
//! PNM. Of an animation the first frame is taken; alpha is dropped, not blended; EXIF orientation
//! is applied. JPEG and PNG files that were cut off or damaged are decoded as far as they go.
//!
//! A photo comes from a stranger. Sizes are checked from the header before anything is allocated,
//! only regular files are read, and whatever is wrong comes back as a [`PhotoError`].
//!
//! ```
//! use facerecog_engine::photo::{Limits, Photo};
//!
//! // A portable pixmap: one red and one blue pixel.
//! let photo = Photo::decode(b"P3 2 1 255  255 0 0  0 0 255", &Limits::default())?;
//! assert_eq!((photo.width(), photo.height()), (2, 1));
//! assert_eq!(photo.rgb(), [255, 0, 0, 0, 0, 255]);
//!
//! let error = Photo::open("no/such/photo.jpg", &Limits::default()).unwrap_err();
//! assert_eq!(error.kind.code(), "not_found");
//! assert_eq!(error.to_string(), "no/such/photo.jpg: no such file");
//! # Ok::<(), facerecog_engine::photo::PhotoError>(())
//! ```

pub(crate) mod dark;
mod error;
mod format;
mod jpeg;
mod limits;
mod orientation;
mod png;
mod raster;
mod resize;
mod source;
mod view;
mod webp;

pub use error::{PhotoError, PhotoErrorKind};
pub use facerecog_kernels::jpeg::Reduction;
pub use limits::Limits;
pub use view::{ReducedPhoto, View};

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::ImageFormat;
use image::metadata::Orientation;

use crate::Point;
use format::Format;

/// A decoded photo: upright (EXIF orientation applied), RGB, 8 bits a channel, rows from the top,
/// no padding between rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Photo {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Photo {
    /// Reads and decodes the regular file at `path`.
    ///
    /// # Errors
    /// Everything that [`PhotoErrorKind`] lists; the error names `path`. A pipe, socket, device or
    /// folder is refused without waiting on it.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, PhotoError> {
        let path = path.as_ref();
        Self::decode(&read(path, limits)?, limits).map_err(|error| error.at(path))
    }

    /// Decodes a file held in memory; the format is told from the content.
    ///
    /// # Errors
    /// [`Empty`](PhotoErrorKind::Empty), [`FileTooLarge`](PhotoErrorKind::FileTooLarge),
    /// [`TooManyPixels`](PhotoErrorKind::TooManyPixels),
    /// [`UnknownFormat`](PhotoErrorKind::UnknownFormat) or [`Broken`](PhotoErrorKind::Broken).
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, PhotoError> {
        Ok(decode(bytes, limits, Reduction::None)?.photo)
    }

    /// A photo from pixels: `rgb` holds `width × height × 3` bytes.
    ///
    /// # Panics
    /// When a side is 0 or the length of `rgb` is not `width × height × 3`.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        assert!(width > 0 && height > 0, "a photo has at least one pixel");
        assert_eq!(rgb.len(), width as usize * height as usize * 3, "pixels do not fit the size");
        Self { width, height, rgb }
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels: `width × height × 3` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

impl std::fmt::Debug for Photo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Photo({}×{})", self.width, self.height)
    }
}

/// The bytes of the regular file at `path`, not decoded.
///
/// # Errors
/// As [`Photo::open`], without those that decoding finds.
pub fn read(path: impl AsRef<Path>, limits: &Limits) -> Result<Vec<u8>, PhotoError> {
    let path = path.as_ref();
    source::read(path, limits).map_err(|kind| PhotoError::from(kind).at(path))
}

/// The bytes of a file that is open for reading, not decoded: for callers that decide by the open
/// file, not by its path, whether it may be read.
///
/// # Errors
/// [`NotAFile`](PhotoErrorKind::NotAFile), [`Empty`](PhotoErrorKind::Empty),
/// [`FileTooLarge`](PhotoErrorKind::FileTooLarge) or [`Io`](PhotoErrorKind::Io), without a path.
pub fn read_file(file: &File, limits: &Limits) -> Result<Vec<u8>, PhotoError> {
    source::read_file(file, limits).map_err(PhotoError::from)
}

/// Width and height that the header of a file claims, without regard to EXIF orientation. Nothing is checked: what is
/// inside may be of another size, or broken. `None` also for a portable arbitrary map (P7).
pub fn claimed_size(bytes: &[u8]) -> Option<(u32, u32)> {
    Format::sniff(bytes)?;
    // As for the decoders below.
    let size = catch_unwind(|| imagesize::blob_size(bytes)).ok()?.ok()?;
    Some((size.width.try_into().ok()?, size.height.try_into().ok()?))
}

/// What was decoded of a photo, upright.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) photo: Photo,
    reduction: Reduction,
    /// Of the whole photo.
    width: u32,
    height: u32,
    /// Pixels of the whole photo that the first column and row stand for and that are not in it.
    before: Point,
}

fn decode(bytes: &[u8], limits: &Limits, reduction: Reduction) -> Result<Decoded, PhotoErrorKind> {
    limits.check_file(bytes.len() as u64)?;
    let format = Format::sniff(bytes).ok_or(PhotoErrorKind::UnknownFormat)?;
    let raster = |kind| raster::decode(bytes, kind, format.name(), limits).map(Stored::whole);
    // The decoders are not ours, and now and then a file is found that makes one panic. Nothing of
    // theirs outlives the call, so such a file is one more broken file, not the end of the server.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg::decode(bytes, limits, reduction),
        Format::Png => png::decode(bytes, limits).map(Stored::whole),
        Format::WebP => raster(ImageFormat::WebP),
        Format::Gif => raster(ImageFormat::Gif),
        Format::Bmp => raster(ImageFormat::Bmp),
        Format::Tiff => raster(ImageFormat::Tiff),
        Format::Pnm => raster(ImageFormat::Pnm),
    }));
    let stored = decoded.unwrap_or_else(|_| {
        Err(PhotoErrorKind::Broken { format: format.name(), reason: "its decoder gave up on it".into() })
    })?;
    Ok(stored.upright())
}

/// Pixels as a file has them.
struct Stored {
    photo: Photo,
    orientation: Orientation,
    reduction: Reduction,
    /// Of the whole photo.
    width: u32,
    height: u32,
}

impl Stored {
    fn whole((photo, orientation): (Photo, Orientation)) -> Self {
        let (width, height) = (photo.width, photo.height);
        Self { photo, orientation, reduction: Reduction::None, width, height }
    }

    fn upright(self) -> Decoded {
        let Self { photo, orientation, reduction, width, height } = self;
        // The last column and row may stand for less than the others.
        let missing = |pixels: u32| (reduction.reduced(pixels) * reduction.divisor() - pixels) as f32;
        let (width, height) = orientation::turned((width, height), orientation);
        let (is_last_left, is_last_above) = orientation::turns_round(orientation);
        let before = Point::new(
            if is_last_left { missing(width) } else { 0.0 },
            if is_last_above { missing(height) } else { 0.0 },
        );
        Decoded { photo: orientation::upright(photo, orientation), reduction, width, height, before }
    }
}

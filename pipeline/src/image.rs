//! A photo on its way through the system.

use std::fmt;

/// What the queue carries, and the row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(pub u64);

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a photo is on its way; the numbers are the original system's, and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Status {
    /// Waits to be processed.
    Pending = 0,
    /// Has its answer.
    Processed = 1,
    /// Could not be processed, or shows nobody known.
    Failed = 2,
    /// A processor has claimed it.
    Processing = 3,
}

impl Status {
    /// The status stored as `number`; none for a number, or NULL, that stands for none.
    pub fn from_stored(number: Option<i32>) -> Option<Self> {
        match number? {
            0 => Some(Self::Pending),
            1 => Some(Self::Processed),
            2 => Some(Self::Failed),
            3 => Some(Self::Processing),
            _ => None,
        }
    }
}

/// A photo that a processor has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its key.
    pub id: ImageId,
    /// Where the recognizer finds it.
    pub path: String,
    /// Tries so far, this one included.
    pub attempts: u32,
    /// Number of the claim: whoever has an older one has lost the photo.
    pub(crate) claim: i64,
}

/// A face that the recognizer found, in pixels of the upright photo.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundFace {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// Confidence of the detector, 0 to 1.
    pub score: f32,
    /// Who it is like, when somebody known is near enough.
    pub known: Option<KnownFace>,
}

/// The known photo that a face is nearest to.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownFace {
    /// File name of the known photo: what `person_images` joins on.
    pub image_name: String,
    /// Name of the person, as the recognizer has it.
    pub person: String,
    /// 1 − distance²/2.
    pub similarity: f32,
}

/// What the recognizer answered for a photo.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recognition {
    /// Width of the upright photo in pixels; 0 when the recognizer speaks the original contract alone.
    pub width: u32,
    /// Height of the upright photo in pixels; 0 as above.
    pub height: u32,
    /// File name of the known photo that the best face of all is nearest to.
    pub image_name: Option<String>,
    /// Every face, largest first; empty when the recognizer speaks the original contract alone.
    pub faces: Vec<FoundFace>,
}

/// A row of `person`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its key.
    pub id: i64,
    /// Name.
    pub name: String,
}

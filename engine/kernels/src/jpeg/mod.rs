//! The scan of a JPEG file → RGB, whole or at a half, a quarter or an eighth of its sides.
//!
//! Baseline files of 8 bits whose one scan has all of the one or three components: what cameras and nearly all programs
//! write. All numbers are those of libjpeg-turbo (its slow integer transform and smooth upsampling, which are what it
//! does unless told otherwise), to the last bit, for all instructions.

mod bits;
mod decode;
mod huffman;
mod portable;
mod rows;
mod transform;

#[cfg(target_arch = "x86_64")]
mod avx2;

#[cfg(test)]
mod tests;

use std::sync::Arc;

#[cfg(target_arch = "x86_64")]
pub(crate) use decode::decode_avx2;
pub(crate) use decode::decode_portable;
pub use huffman::HuffmanTable;

/// Most blocks that the format allows in a unit of a scan.
const MAX_UNIT_BLOCKS: usize = 10;

/// How many times smaller than the photo the sides of what is decoded are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Reduction {
    /// Every pixel.
    #[default]
    None,
    /// The mean of 2×2 pixels.
    Half,
    /// The mean of 4×4 pixels.
    Quarter,
    /// The mean of 8×8 pixels.
    Eighth,
}

impl Reduction {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::None, Self::Half, Self::Quarter, Self::Eighth];

    /// The most of those that are enough, or none where not even that is.
    pub fn most(is_enough: impl Fn(Self) -> bool) -> Self {
        Self::ALL.into_iter().rev().find(|&reduction| is_enough(reduction)).unwrap_or_default()
    }

    /// 1, 2, 4 or 8.
    pub fn divisor(self) -> u32 {
        1 << self as u32
    }

    /// A side of `pixels` after it; a rest counts as a whole pixel.
    pub fn reduced(self, pixels: u32) -> u32 {
        pixels.div_ceil(self.divisor())
    }
}

/// What a scan is made of: all that the file says before it.
#[derive(Debug, Clone)]
pub struct Scan {
    width: u32,
    height: u32,
    components: Vec<Component>,
    restart_interval: usize,
}

/// Brightness, or one of the two colours.
#[derive(Debug, Clone)]
pub struct Component {
    /// Blocks beside each other in a unit, 1…4.
    pub horizontal: u8,
    /// Blocks above each other in a unit, 1…4.
    pub vertical: u8,
    /// What coefficients are multiplied by, in the zigzag order in which files have them.
    pub factors: [u8; 64],
    /// Codes of the first coefficient of blocks.
    pub dc: Arc<HuffmanTable>,
    /// Codes of all others.
    pub ac: Arc<HuffmanTable>,
}

impl Scan {
    /// A photo of `width × height` pixels with one component (grey) or three (Y, Cb, Cr), in units with a restart
    /// after each `restart_interval` of them, or none for 0.
    ///
    /// `None` for what is not decoded here: a side of 0; sampling in which the first component does not have the most
    /// samples, a whole multiple of those of the others; and Huffman tables for numbers larger than baseline files have.
    pub fn new(width: u32, height: u32, components: Vec<Component>, restart_interval: usize) -> Option<Self> {
        let mut scan = Self { width, height, components, restart_interval };
        let sides = 1..=u32::from(u16::MAX);
        if !sides.contains(&width) || !sides.contains(&height) || !matches!(scan.components.len(), 1 | 3) {
            return None;
        }
        if let [only] = &mut scan.components[..] {
            // Its units are blocks, whatever is said.
            (only.horizontal, only.vertical) = (1, 1);
        }
        let (most_across, most_down) = (scan.components[0].horizontal, scan.components[0].vertical);
        let fits = |most: u8, count: u8| {
            (1..=4).contains(&count) && matches!(most.checked_div(count), Some(1 | 2 | 4)) && most.is_multiple_of(count)
        };
        let blocks: usize = scan.components.iter().map(Component::blocks).sum();
        let is_decoded = |component: &Component| {
            fits(most_across, component.horizontal)
                && fits(most_down, component.vertical)
                && component.dc.has_numbers_up_to(MAX_DC_BITS)
                && component.ac.has_numbers_up_to(MAX_AC_BITS)
        };
        (blocks <= MAX_UNIT_BLOCKS && scan.components.iter().all(is_decoded)).then_some(scan)
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// 1 or 3.
    pub fn components(&self) -> u8 {
        self.components.len() as u8
    }

    /// Units in each row of them, and rows.
    fn units(&self) -> (usize, usize) {
        let side = |blocks: u8| 8 * usize::from(blocks);
        let first = &self.components[0];
        let (across, down) = (side(first.horizontal), side(first.vertical));
        ((self.width as usize).div_ceil(across), (self.height as usize).div_ceil(down))
    }
}

/// Bits of the longest first coefficient of 8-bit files, less the one before.
const MAX_DC_BITS: u8 = 11;
/// Bits of the longest other coefficient. Two of them with the longest codes, 52 bits, are there after one refill.
const MAX_AC_BITS: u8 = 10;

impl Component {
    /// In a unit.
    fn blocks(&self) -> usize {
        usize::from(self.horizontal) * usize::from(self.vertical)
    }
}

/// How much of a scan was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Units that were.
    pub units: usize,
    /// Units there should be.
    pub of: usize,
}

impl Decoded {
    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.units == self.of
    }
}

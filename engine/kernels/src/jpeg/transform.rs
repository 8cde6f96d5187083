//! From coefficients to samples and from samples to RGB, as libjpeg does it, to the last bit.
//!
//! The transforms of 8×8 samples ("islow") and those of 4×4 and 2×2, which give the means of two by two and four by four
//! of them, are those of libjpeg's `jidctint.c` and `jidctred.c` (Loeffler, Ligtenberg, Moschytz, ICASSP 1989), with its
//! sums of products written out: each output is a sum of products of inputs, which no order changes. So are the weights
//! of chroma samples (`jdsample.c`) and of colours (`jdcolor.c`).

use super::Component;
use super::bits::Bits;

/// Coefficients of a block, or what to multiply them by: 8 rows of 8.
pub(super) type Block = [i16; 64];

/// Bits behind the point of the factors.
const FACTOR_BITS: i32 = 13;
/// Bits behind the point that are kept between columns and rows.
const KEPT_BITS: i32 = 2;
/// Columns and rows together make numbers 8 times as large.
const LAST_BITS: i32 = FACTOR_BITS + KEPT_BITS + 3;
pub(super) const FIRST_SHIFT_8: i32 = FACTOR_BITS - KEPT_BITS;
pub(super) const LAST_SHIFT_8: i32 = LAST_BITS;
pub(super) const FIRST_SHIFT_4: i32 = FIRST_SHIFT_8 + 1;
pub(super) const LAST_SHIFT_4: i32 = LAST_SHIFT_8 + 1;
pub(super) const FIRST_SHIFT_2: i32 = FIRST_SHIFT_8 + 2;
pub(super) const LAST_SHIFT_2: i32 = LAST_SHIFT_8 + 2;

/// What inputs 0 and 4 are multiplied by for the even parts of outputs 0 and 3, and of 1 and 2.
pub(super) const EVEN_04: [[i16; 2]; 2] = [[8192, 8192], [8192, -8192]];
/// The same of inputs 2 and 6.
pub(super) const EVEN_26: [[i16; 2]; 2] = [[10_703, 4433], [4433, -10_704]];
/// What inputs 1, 3, 5 and 7 are multiplied by for the odd parts of outputs 0 to 3.
pub(super) const ODD: [[i16; 4]; 4] = [
    [11_363, 9633, 6437, 2260],
    [9633, -2259, -11_362, -6436],
    [6437, -11_362, 2261, 9633],
    [2260, -6436, 9633, -11_363],
];
/// Of 4×4 samples: inputs 0, 2 and 6 for the even part of output 0; that of output 1 has the last two negated.
pub(super) const EVEN_OF_4: [i16; 3] = [16_384, 15_137, -6270];
/// Of 4×4 samples: inputs 1, 3, 5 and 7 for the odd parts of outputs 0 and 1.
pub(super) const ODD_OF_4: [[i16; 4]; 2] = [[20_995, 7373, -4926, -4176], [8697, -17_799, 11_893, -1730]];
/// Of 2×2 samples: input 0 is shifted by so much …
pub(super) const EVEN_SHIFT_OF_2: i32 = FACTOR_BITS + 2;
/// … and these are for inputs 1, 3, 5 and 7.
pub(super) const ODD_OF_2: [i16; 4] = [29_692, -10_426, 6967, -5906];

/// Red of Cr and blue of Cb, less 1 and 2, in units of 2⁻¹⁶.
pub(super) const RED_OF_CR: i32 = 91_881 - (1 << 16);
pub(super) const BLUE_OF_CB: i32 = 116_130 - (2 << 16);
/// Green of Cb, and of Cr plus 1.
pub(super) const GREEN_OF_CB: i32 = -22_554;
pub(super) const GREEN_OF_CR: i32 = -46_802 + (1 << 16);

/// What is done with all samples, by what the CPU offers.
///
/// # Safety
/// For all of them: the CPU has the instructions.
pub(super) trait Transform {
    /// As [`decode_block`](super::decode::decode_block), in a function of its own: it needs the registers.
    unsafe fn decode_block(
        bits: &mut Bits<'_>,
        component: &Component,
        first: &mut i32,
        block: &mut Block,
    ) -> Option<()>;
    /// 8×8 samples, rows of them `stride` apart, of coefficients times `factors`.
    unsafe fn block_8(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize);
    /// 4×4 samples: means of 2×2.
    unsafe fn block_4(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize);
    /// 2×2 samples: means of 4×4.
    unsafe fn block_2(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize);
    /// A row of Y, Cb and Cr as RGB, of as many pixels as all three have.
    unsafe fn rgb(luma: &[u8], blue: &[u8], red: &[u8], rgb: &mut [u8]);
}

/// The mean of all 64 samples.
#[inline(always)]
pub(super) fn block_1(coefficients: &Block, factors: &Block) -> u8 {
    let mean = i32::from(coefficients[0].wrapping_mul(factors[0]));
    sample((mean + 4) >> 3)
}

/// Samples are stored less 128, within a byte.
#[inline(always)]
pub(super) fn sample(number: i32) -> u8 {
    (number + 128).clamp(0, 255) as u8
}

//! Pairs of registers of 16 bytes, with fused multiplication and addition.
//!
//! There are 32 registers. A tile of 6 pixels and 2 blocks of pairs has 24 in sums, 4 in weights and one in an input: 24
//! multiplications for 8 loads, as the registers of a pair are loaded at once. Blocks of 4 channels, a register each,
//! would have tiles of 14 pixels and 16 loads for 28; and 8 sums at a time of a depthwise convolution, too few where
//! there are four units that multiply and each takes four cycles.

use std::arch::aarch64::*;

use super::Lanes;

#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Neon;

type Pair = [float32x4_t; 2];

// SAFETY of each: what the trait asks of the caller is what the instruction needs.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lanes for Neon {
    const LANES: usize = 8;
    const REGISTERS: usize = 16;
    type Register = Pair;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Pair {
        unsafe { [vdupq_n_f32(number); 2] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Pair {
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4))] }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, [low, high]: Pair) {
        unsafe {
            vst1q_f32(to, low);
            vst1q_f32(to.add(4), high);
        }
    }
    #[inline(always)]
    unsafe fn multiply_add(a: Pair, b: Pair, c: Pair) -> Pair {
        unsafe { [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn add(a: Pair, b: Pair) -> Pair {
        unsafe { [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn subtract(a: Pair, b: Pair) -> Pair {
        unsafe { [vsubq_f32(a[0], b[0]), vsubq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn multiply(a: Pair, b: Pair) -> Pair {
        unsafe { [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn divide(a: Pair, b: Pair) -> Pair {
        unsafe { [vdivq_f32(a[0], b[0]), vdivq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn max(a: Pair, b: Pair) -> Pair {
        unsafe { [vmaxq_f32(a[0], b[0]), vmaxq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn min(a: Pair, b: Pair) -> Pair {
        unsafe { [vminq_f32(a[0], b[0]), vminq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn scale_by_power(a: Pair, n: Pair) -> Pair {
        unsafe {
            let scaled = |a, n| {
                let exponent = vshlq_n_s32::<23>(vreinterpretq_s32_f32(n));
                vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), exponent))
            };
            [scaled(a[0], n[0]), scaled(a[1], n[1])]
        }
    }
}

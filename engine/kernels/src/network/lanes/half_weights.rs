//! f32 on registers of 64 bytes, with weights of 16 bits (IEEE 754 binary16) that become f32 when they are read.

use std::arch::x86_64::*;

use super::{Avx512, Products, Put, Single, Steps};

#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct HalfWeights;

// SAFETY of each: what the trait asks of the caller is what the instruction needs.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Put for HalfWeights {
    type Lanes = Avx512;
    const CHANNELS: usize = 1;
    const PIXEL_STEP: Option<usize> = Single::<Avx512>::PIXEL_STEP;

    #[inline(always)]
    unsafe fn put(numbers: __m512, to: *mut f32, steps: Steps) {
        unsafe { Single::<Avx512>::put(numbers, to, steps) }
    }
}

// SAFETY of each: as above.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Products for HalfWeights {
    const WEIGHTS: usize = 8;

    #[inline(always)]
    unsafe fn weights(from: *const f32) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn add_products(x: __m512, weights: __m512, sum: __m512) -> __m512 {
        unsafe { Single::<Avx512>::add_products(x, weights, sum) }
    }
    #[inline(always)]
    unsafe fn end(sum: __m512, _: *const f32, _: *const f32) -> __m512 {
        sum
    }
}

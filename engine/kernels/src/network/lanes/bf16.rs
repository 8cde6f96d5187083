//! bfloat16 on registers of 64 bytes (AVX-512 BF16).

use std::arch::x86_64::*;
use std::mem::transmute;

use super::{Avx512, Products, Steps};

#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Bf16;

// SAFETY of each: what the trait asks of the caller is what the instruction needs. A register of pieces is one of f32
// but for its name.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Products for Bf16 {
    type Lanes = Avx512;
    const CHANNELS: usize = 2;

    #[inline(always)]
    unsafe fn begin(bias: __m512) -> __m512 {
        bias
    }
    #[inline(always)]
    unsafe fn add_products(x: __m512, weights: __m512, sum: __m512) -> __m512 {
        unsafe { _mm512_dpbf16_ps(sum, transmute::<__m512, __m512bh>(x), transmute::<__m512, __m512bh>(weights)) }
    }
    #[inline(always)]
    unsafe fn end(sum: __m512, _: *const f32, _: *const f32) -> __m512 {
        sum
    }
    #[inline(always)]
    unsafe fn put(from: *const f32, to: *mut f32, _: Steps) {
        unsafe {
            let pieces = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from)));
            _mm256_storeu_si256(to.cast(), pieces);
        }
    }
}

/// The nearest bfloat16 of a finite number, of two the even one.
pub(in crate::network) fn nearest(number: f32) -> u16 {
    let bits = number.to_bits();
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

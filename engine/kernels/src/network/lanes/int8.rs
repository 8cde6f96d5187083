//! Bytes on registers of 64 bytes (AVX-512 VNNI): unsigned inputs, signed weights, sums of 32 bits.

use std::arch::x86_64::*;

use super::{Avx512, Products, Put, Steps};

#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Int8;

// SAFETY of each: what the trait asks of the caller is what the instruction needs. A register of pieces or of sums is
// one of f32 but for its name.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Put for Int8 {
    type Lanes = Avx512;
    const CHANNELS: usize = 4;

    #[inline(always)]
    unsafe fn put(numbers: __m512, to: *mut f32, steps: Steps) {
        unsafe {
            let zero = _mm512_set1_ps(f32::from(steps.zero));
            let bytes = _mm512_cvtps_epi32(_mm512_fmadd_ps(numbers, _mm512_set1_ps(steps.per_unit), zero));
            let bytes = _mm512_cvtusepi32_epi8(_mm512_max_epi32(bytes, _mm512_setzero_si512()));
            _mm_storeu_si128(to.cast(), bytes);
        }
    }
}

// SAFETY of each: as above.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Products for Int8 {
    #[inline(always)]
    unsafe fn add_products(x: __m512, weights: __m512, sum: __m512) -> __m512 {
        unsafe {
            let (x, weights) = (_mm512_castps_si512(x), _mm512_castps_si512(weights));
            _mm512_castsi512_ps(_mm512_dpbusd_epi32(_mm512_castps_si512(sum), x, weights))
        }
    }
    #[inline(always)]
    unsafe fn end(sum: __m512, scales: *const f32, bias: *const f32) -> __m512 {
        unsafe {
            let sum = _mm512_cvtepi32_ps(_mm512_castps_si512(sum));
            _mm512_fmadd_ps(sum, _mm512_loadu_ps(scales), _mm512_loadu_ps(bias))
        }
    }
}

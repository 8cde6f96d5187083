//! bfloat16 on registers of 64 bytes (AVX-512 BF16).

use std::arch::x86_64::*;
use std::mem::transmute;

use super::{Avx512, Lanes, Products, Put, Steps};

#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Bf16;

// SAFETY of each: what the trait asks of the caller is what the instruction needs. A register of pieces is one of f32
// but for its name.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Put for Bf16 {
    type Lanes = Avx512;
    const CHANNELS: usize = 2;

    #[inline(always)]
    unsafe fn put(numbers: __m512, to: *mut f32, _: Steps) {
        unsafe { _mm256_storeu_si256(to.cast(), nearest_of(numbers)) };
    }
}

// SAFETY of each: as above.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Products for Bf16 {
    #[inline(always)]
    unsafe fn add_products(x: __m512, weights: __m512, sum: __m512) -> __m512 {
        unsafe { _mm512_dpbf16_ps(sum, transmute::<__m512, __m512bh>(x), transmute::<__m512, __m512bh>(weights)) }
    }
    #[inline(always)]
    unsafe fn end(sum: __m512, _: *const f32, _: *const f32) -> __m512 {
        sum
    }
}

/// Two bfloat16 for each f32: the nearest, and the nearest of what is missing. Together they are within 2⁻¹⁸ of it.
/// After Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
/// Computations" (2019).
///
/// `BLOCKS` of a pixel are together, first their first halves.
#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Halves<const BLOCKS: usize>;

impl<const BLOCKS: usize> Halves<BLOCKS> {
    /// From the first halves to the second: two bytes a channel.
    pub(in crate::network) const HALF: usize = BLOCKS * Avx512::LANES / 2;
}

// SAFETY of each: as above.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<const BLOCKS: usize> Put for Halves<BLOCKS> {
    type Lanes = Avx512;
    const CHANNELS: usize = 1;
    const PIXEL_STEP: Option<usize> = Some(2 * Self::HALF);

    #[inline(always)]
    unsafe fn put(numbers: __m512, to: *mut f32, _: Steps) {
        unsafe {
            let first = nearest_of(numbers);
            let as_number = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(first)));
            let missing = _mm512_sub_ps(numbers, as_number);
            _mm256_storeu_si256(to.cast(), first);
            _mm256_storeu_si256(to.add(Self::HALF).cast(), nearest_of(missing));
        }
    }
}

/// # Safety
/// The CPU has AVX-512 BF16.
#[inline(always)]
unsafe fn nearest_of(numbers: __m512) -> __m256i {
    // SAFETY: the caller's word; 16 bfloat16 are 32 bytes.
    unsafe { transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(numbers)) }
}

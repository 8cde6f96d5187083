//! Numbers of 16 bits (IEEE 754 binary16), two blocks of 16 channels in a register (AVX-512 FP16).

use std::arch::x86_64::*;

use half::f16;

use super::{Avx512, Int8, Lanes, Products, Put, Steps};
use crate::Instructions;
use crate::network::memory::Memory;

#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct F16;

impl F16 {
    /// Whether there are sums of them.
    pub(in crate::network) fn are_available(instructions: Instructions) -> bool {
        matches!(instructions, Instructions::Avx512 | Instructions::Amx) && is_x86_feature_detected!("avx512fp16")
    }

    /// # Safety
    /// The CPU has AVX-512 FP16.
    #[inline(always)]
    pub(in crate::network) unsafe fn splat(number: f32) -> __m512h {
        // SAFETY: the caller's word.
        unsafe { _mm512_castsi512_ph(_mm512_set1_epi16(f16::from_f32(number).to_bits().cast_signed())) }
    }

    /// Those of two blocks.
    ///
    /// # Safety
    /// The CPU has AVX-512 FP16, and there are as many.
    #[inline(always)]
    pub(in crate::network) unsafe fn load(numbers: &Memory, both: usize) -> __m512h {
        // SAFETY: the caller's word; they take the place of as many f32 as a block has.
        unsafe { _mm512_castps_ph(Avx512::load(numbers.numbers().as_ptr().add(both * Avx512::LANES))) }
    }
}

// SAFETY of each: what the trait asks of the caller is what the instruction needs.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Put for F16 {
    type Lanes = Avx512;
    const CHANNELS: usize = 2;
    const PIXEL_STEP: Option<usize> = Some(Avx512::LANES);

    #[inline(always)]
    unsafe fn put(numbers: __m512, to: *mut f32, _: Steps) {
        unsafe {
            let halves = _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(numbers);
            _mm256_storeu_si256(to.cast(), halves);
        }
    }
}

/// Products of bytes, whose sums are given as such numbers.
#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Int8ToF16;

// SAFETY of each: as above.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Put for Int8ToF16 {
    type Lanes = Avx512;
    const CHANNELS: usize = Int8::CHANNELS;

    #[inline(always)]
    unsafe fn put(numbers: __m512, to: *mut f32, steps: Steps) {
        unsafe { Int8::put(numbers, to, steps) }
    }
}

// SAFETY of each: as above.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Products for Int8ToF16 {
    #[inline(always)]
    unsafe fn add_products(x: __m512, weights: __m512, sum: __m512) -> __m512 {
        unsafe { Int8::add_products(x, weights, sum) }
    }
    #[inline(always)]
    unsafe fn end(sum: __m512, scales: *const f32, bias: *const f32) -> __m512 {
        unsafe { Int8::end(sum, scales, bias) }
    }
    #[inline(always)]
    fn block_place(block: usize, step: usize) -> usize {
        block / 2 * step + block % 2 * Self::Lanes::LANES / 2
    }
    #[inline(always)]
    unsafe fn give(numbers: __m512, to: *mut f32) {
        unsafe { F16::put(numbers, to, Steps { per_unit: 1.0, zero: 0 }) }
    }
}

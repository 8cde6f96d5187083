//! What sums of products are made of: numbers of one precision, in pieces of 32 bits.

use std::marker::PhantomData;

use super::Lanes;
use crate::network::Precision;

/// Products of a precision. A piece is 32 bits: one f32, two bf16 or four bytes, of channels one after the other. It is
/// kept in place of an f32, and never used as one.
///
/// # Safety
/// For all of them: the CPU has the instructions.
pub(in crate::network) trait Products: Copy {
    type Lanes: Lanes;
    /// Channels in a piece.
    const CHANNELS: usize;

    /// Adds the products of the channels of a piece.
    unsafe fn add_products(x: Register<Self>, weights: Register<Self>, sum: Register<Self>) -> Register<Self>;
    /// The number that a sum stands for.
    ///
    /// # Safety
    /// The scales and the bias of the block can be read.
    unsafe fn end(sum: Register<Self>, scales: *const f32, bias: *const f32) -> Register<Self>;
    /// Writes the pieces of a block's channels of a pixel.
    ///
    /// # Safety
    /// They can be written.
    unsafe fn put(numbers: Register<Self>, to: *mut f32, steps: Steps);
}

/// Numbers side by side, or pieces.
pub(in crate::network) type Register<T> = <<T as Products>::Lanes as Lanes>::Register;

/// How bytes stand for numbers: `x = (byte − zero) / per_unit`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::network) struct Steps {
    pub(in crate::network) per_unit: f32,
    pub(in crate::network) zero: u8,
}

impl Steps {
    /// For numbers from `low` to `high`, and zero, which always has a byte of its own.
    pub(in crate::network) fn new([low, high]: [f32; 2]) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let range = high - low;
        if !(range > 0.0 && range.is_finite()) {
            return Self { per_unit: 1.0, zero: 0 };
        }
        let per_unit = 255.0 / range;
        // Between 0 and 255 by the choice of the bounds.
        Self { per_unit, zero: (-low * per_unit).round() as u8 }
    }
}

/// In which pieces numbers are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::network) struct Pieces {
    pub(in crate::network) precision: Precision,
    /// Of use to bytes alone.
    pub(in crate::network) steps: Steps,
}

impl Pieces {
    /// Numbers as they are.
    pub(in crate::network) const F32: Self =
        Self { precision: Precision::F32, steps: Steps { per_unit: 1.0, zero: 0 } };
    pub(in crate::network) const BF16: Self = Self { precision: Precision::Bf16, ..Self::F32 };

    /// Channels in a piece.
    pub(in crate::network) fn channels(self) -> usize {
        match self.precision {
            Precision::F32 => 1,
            Precision::Bf16 => 2,
            Precision::Int8 => 4,
        }
    }

    /// The piece of zeros.
    pub(in crate::network) fn zeros(self) -> f32 {
        f32::from_bits(match self.precision {
            Precision::F32 | Precision::Bf16 => 0,
            Precision::Int8 => u32::from_ne_bytes([self.steps.zero; 4]),
        })
    }
}

/// f32, on any lanes.
#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Single<L>(PhantomData<L>);

impl<L: Lanes> Products for Single<L> {
    type Lanes = L;
    const CHANNELS: usize = 1;

    #[inline(always)]
    unsafe fn add_products(x: L::Register, weights: L::Register, sum: L::Register) -> L::Register {
        // SAFETY: the caller has the instructions.
        unsafe { L::multiply_add(x, weights, sum) }
    }
    #[inline(always)]
    unsafe fn end(sum: L::Register, _: *const f32, _: *const f32) -> L::Register {
        sum
    }
    #[inline(always)]
    unsafe fn put(numbers: L::Register, to: *mut f32, _: Steps) {
        // SAFETY: the caller's word.
        unsafe { L::store(to, numbers) }
    }
}

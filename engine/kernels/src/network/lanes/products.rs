//! What sums of products are made of: numbers of one precision, in pieces of 32 bits.

use std::marker::PhantomData;

use super::Lanes;

/// Products of a precision. A piece is 32 bits: one f32, two bf16 or four bytes, of channels one after the other. It is
/// kept in place of an f32, and never used as one.
///
/// # Safety
/// For all of them: the CPU has the instructions.
pub(in crate::network) trait Products: Copy {
    type Lanes: Lanes;
    /// Channels in a piece.
    const CHANNELS: usize;

    /// What a sum begins with.
    unsafe fn begin(bias: Register<Self>) -> Register<Self>;
    /// Adds the products of the channels of a piece.
    unsafe fn add_products(x: Register<Self>, weights: Register<Self>, sum: Register<Self>) -> Register<Self>;
    /// The number that a sum stands for.
    ///
    /// # Safety
    /// The scales and the bias of the block can be read.
    unsafe fn end(sum: Register<Self>, scales: *const f32, bias: *const f32) -> Register<Self>;
    /// Makes the pieces of a block's channels of a pixel.
    ///
    /// # Safety
    /// The block can be read, and its pieces can be written.
    unsafe fn put(from: *const f32, to: *mut f32, steps: Steps);
}

/// Numbers side by side, or pieces.
pub(in crate::network) type Register<T> = <<T as Products>::Lanes as Lanes>::Register;

/// How bytes stand for numbers: `x = (byte − zero) / per_unit`. Other pieces have no use for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::network) struct Steps {
    pub(in crate::network) per_unit: f32,
    pub(in crate::network) zero: u8,
}

impl Steps {
    pub(in crate::network) const NONE: Self = Self { per_unit: 1.0, zero: 0 };
}

/// f32, on any lanes.
#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Single<L>(PhantomData<L>);

impl<L: Lanes> Products for Single<L> {
    type Lanes = L;
    const CHANNELS: usize = 1;

    #[inline(always)]
    unsafe fn begin(bias: L::Register) -> L::Register {
        bias
    }
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
    unsafe fn put(from: *const f32, to: *mut f32, _: Steps) {
        // SAFETY: the caller's word.
        unsafe { L::store(to, L::load(from)) }
    }
}

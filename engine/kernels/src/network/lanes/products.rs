//! What sums of products are made of: numbers of one precision, in pieces of 32 bits.

use std::marker::PhantomData;

use super::Lanes;
use crate::network::Precision;

/// Pieces of a precision. A piece is 32 bits: one f32, two bf16 or four bytes, of channels one after the other. It is
/// kept in place of an f32, and never used as one.
///
/// # Safety
/// For all of them: the CPU has the instructions.
pub(in crate::network) trait Put: Copy {
    type Lanes: Lanes;
    /// Channels for each piece.
    const CHANNELS: usize;
    /// Pieces from a pixel to the next, where that is the same wherever they go.
    const PIXEL_STEP: Option<usize> = None;

    /// Writes the pieces of a block's channels of a pixel.
    ///
    /// # Safety
    /// They can be written.
    unsafe fn put(numbers: Register<Self>, to: *mut f32, steps: Steps);
}

/// Products of a precision.
///
/// # Safety
/// For all of them: the CPU has the instructions.
pub(in crate::network) trait Products: Put {
    /// Numbers of memory that a register of weights takes.
    const WEIGHTS: usize = <Self::Lanes as Lanes>::LANES;

    /// A register of weights.
    ///
    /// # Safety
    /// [`WEIGHTS`](Self::WEIGHTS) numbers can be read there.
    #[inline(always)]
    unsafe fn weights(from: *const f32) -> Register<Self> {
        // SAFETY: the caller's word.
        unsafe { Self::Lanes::load(from) }
    }
    /// Adds the products of the channels of a piece.
    unsafe fn add_products(x: Register<Self>, weights: Register<Self>, sum: Register<Self>) -> Register<Self>;
    /// The number that a sum stands for.
    ///
    /// # Safety
    /// The scales and the bias of the block can be read.
    unsafe fn end(sum: Register<Self>, scales: *const f32, bias: *const f32) -> Register<Self>;
    /// From where the numbers of a first block of outputs go to where those of another do, `step` being from one to the
    /// next where each has a map of its own.
    #[inline(always)]
    fn block_place(block: usize, step: usize) -> usize {
        block * step
    }
    /// Puts outputs into the map.
    ///
    /// # Safety
    /// They can be written.
    #[inline(always)]
    unsafe fn give(numbers: Register<Self>, to: *mut f32) {
        // SAFETY: the caller's word.
        unsafe { Self::Lanes::store(to, numbers) }
    }
}

/// Numbers side by side, or pieces.
pub(in crate::network) type Register<T> = <<T as Put>::Lanes as Lanes>::Register;

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
    /// For [tiles](super::super::kernel::amx), the blocks whose pieces of a pixel are together; 0 for registers.
    tile_blocks: usize,
    /// Whether they are f32 rounded to 16 bits, two blocks of a pixel together.
    is_f16: bool,
}

impl Pieces {
    /// Numbers as they are.
    pub(in crate::network) const F32: Self =
        Self { precision: Precision::F32, steps: Steps { per_unit: 1.0, zero: 0 }, tile_blocks: 0, is_f16: false };
    /// Numbers in 16 bits (IEEE 754 binary16), of whole pairs of blocks: what one kernel gives and another takes, and none
    /// multiplies by weights of such pieces.
    pub(in crate::network) const F16: Self = Self { is_f16: true, ..Self::F32 };
    pub(in crate::network) const BF16: Self = Self { precision: Precision::Bf16, ..Self::F32 };

    pub(in crate::network) fn int8(steps: Steps) -> Self {
        Self { precision: Precision::Int8, steps, ..Self::F32 }
    }

    /// Such pieces for tiles, where so many inputs are to be multiplied: as many of their blocks together as fill a tile.
    pub(in crate::network) fn for_tiles(self, lanes: usize, inputs: usize) -> Self {
        let most = match self.precision {
            Precision::F32 | Precision::Bf16 => 2,
            Precision::Int8 => 4,
        };
        // A tile has the same of its rows where three blocks are together.
        let tile_blocks = inputs.div_ceil(lanes).next_power_of_two().min(most);
        Self { tile_blocks, ..self }
    }

    pub(in crate::network) fn are_for_tiles(self) -> bool {
        self.tile_blocks > 0
    }

    /// Channels for each piece; the two halves of an f32 that tiles take are a piece together.
    pub(in crate::network) fn channels(self) -> usize {
        match self.precision {
            Precision::F32 if self.is_f16 => 2,
            Precision::F32 => 1,
            Precision::Bf16 => 2,
            Precision::Int8 => 4,
        }
    }

    /// Blocks whose pieces of a pixel are together.
    pub(in crate::network) fn blocks_together(self) -> usize {
        if self.is_f16 { 2 } else { self.tile_blocks.max(1) }
    }

    /// Channels of which pieces are read at once.
    pub(in crate::network) fn channels_together(self, lanes: usize) -> usize {
        if self.are_for_tiles() { self.blocks_together() * lanes } else { self.channels() }
    }

    /// Pieces that a pixel has together.
    pub(in crate::network) fn of_pixel(self, lanes: usize) -> usize {
        self.blocks_together() * lanes / self.channels()
    }

    /// Where a block's pieces begin in a map of so many pixels.
    pub(in crate::network) fn place(self, lanes: usize, block: usize, pixels: usize) -> usize {
        let together = self.blocks_together();
        // The second halves of f32 are behind the first of all blocks.
        let halves = if self.are_for_tiles() { self.channels().max(2) } else { self.channels() };
        block / together * pixels * self.of_pixel(lanes) + block % together * lanes / halves
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

impl<L: Lanes> Put for Single<L> {
    type Lanes = L;
    const CHANNELS: usize = 1;
    const PIXEL_STEP: Option<usize> = Some(L::LANES);

    #[inline(always)]
    unsafe fn put(numbers: L::Register, to: *mut f32, _: Steps) {
        // SAFETY: the caller's word.
        unsafe { L::store(to, numbers) }
    }
}

impl<L: Lanes> Products for Single<L> {
    #[inline(always)]
    unsafe fn add_products(x: L::Register, weights: L::Register, sum: L::Register) -> L::Register {
        // SAFETY: the caller has the instructions.
        unsafe { L::multiply_add(x, weights, sum) }
    }
    #[inline(always)]
    unsafe fn end(sum: L::Register, _: *const f32, _: *const f32) -> L::Register {
        sum
    }
}

/// The bits of the nearest bfloat16 of a finite number, of two the even one.
pub(in crate::network) fn nearest(number: f32) -> u16 {
    let bits = number.to_bits();
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

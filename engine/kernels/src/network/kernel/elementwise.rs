//! What is done to each number by itself, and sums of two maps.

use super::dense::Maps;
use super::finish::Bend;
use super::lanes;
use crate::Instructions;
use crate::network::lanes::{Lanes, MOST_LANES, with_lanes};
use crate::network::memory::Memory;

/// `bend(scale · x + offset + residual)`, or the sigmoid of `x`.
#[derive(Debug, Clone)]
pub(in crate::network) struct Elementwise {
    pub(in crate::network) channels: usize,
    /// Scale and offset in blocks.
    pub(in crate::network) affine: Option<[Memory; 2]>,
    pub(in crate::network) bend: Bend,
    /// The sigmoid comes first, with nothing else.
    pub(in crate::network) sigmoid: bool,
}

impl Elementwise {
    /// # Panics
    /// When the maps are shorter than their shapes say, or other than the layer reads and gives.
    pub(in crate::network) fn run(&self, instructions: Instructions, maps: &mut Maps<'_>) {
        assert!(instructions.are_available());
        let lanes = lanes(instructions);
        let blocks = self.channels.div_ceil(lanes);
        assert_eq!(maps.shape[0], self.channels);
        assert_eq!(maps.size, maps.shape[1..]);
        assert!(maps.are_whole());
        maps.check(lanes, self.channels, [1; 2]);
        assert!(self.bend.fits(blocks, lanes));
        assert!(self.affine.iter().flatten().all(|numbers| numbers.len() >= blocks * lanes));
        // SAFETY: the CPU has the instructions, and maps and numbers are as long as their shapes say.
        unsafe { elementwise(instructions, self, maps) };
    }
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`Elementwise::run`] checks.
    elementwise = run_elementwise(layer: &Elementwise, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_elementwise<L: Lanes>(layer: &Elementwise, maps: &mut Maps<'_>) {
    let pixels = maps.size[0] * maps.size[1];
    let residual_blocks = maps.residual.map_or(0, |(_, channels)| channels / L::LANES);
    for block in 0..layer.channels.div_ceil(L::LANES) {
        let residual = maps.residual.filter(|_| block < residual_blocks);
        // SAFETY: all maps have `pixels` pixels a block, the residual for its blocks alone, and the numbers all blocks,
        // as `Elementwise::run` checked.
        unsafe {
            let (scale, offset) = match &layer.affine {
                Some([scale, offset]) => (
                    L::load(scale.numbers().as_ptr().add(block * L::LANES)),
                    L::load(offset.numbers().as_ptr().add(block * L::LANES)),
                ),
                None => (L::splat(1.0), L::splat(0.0)),
            };
            for pixel in 0..pixels {
                let place = (block * pixels + pixel) * L::LANES;
                let mut x = L::load(maps.x.as_ptr().add(place));
                if layer.sigmoid {
                    x = sigmoid_of::<L>(x);
                } else {
                    x = L::multiply_add(scale, x, offset);
                    if let Some((residual, _)) = residual {
                        x = L::add(x, L::load(residual.as_ptr().add(place)));
                    }
                    x = layer.bend.at().apply::<L>(block, x);
                }
                L::store(maps.y.as_mut_ptr().add(place), x);
            }
        }
    }
}

/// The sigmoid of each number, in its place.
pub(in crate::network) fn sigmoid(instructions: Instructions, numbers: &mut [f32]) {
    assert!(instructions.are_available());
    // SAFETY: the CPU has the instructions.
    unsafe { all_sigmoid(instructions, numbers) };
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions.
    all_sigmoid = run_sigmoid(numbers: &mut [f32])
}

#[inline(always)]
unsafe fn run_sigmoid<L: Lanes>(numbers: &mut [f32]) {
    let mut chunks = numbers.chunks_exact_mut(L::LANES);
    // SAFETY: each chunk has as many numbers as a register; the CPU has the instructions.
    unsafe {
        for chunk in &mut chunks {
            L::store(chunk.as_mut_ptr(), sigmoid_of::<L>(L::load(chunk.as_ptr())));
        }
        let rest = chunks.into_remainder();
        let mut last = [0.0; MOST_LANES];
        last[..rest.len()].copy_from_slice(rest);
        L::store(last.as_mut_ptr(), sigmoid_of::<L>(L::load(last.as_ptr())));
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// # Safety
/// The CPU has the instructions.
#[inline(always)]
unsafe fn sigmoid_of<L: Lanes>(x: L::Register) -> L::Register {
    // SAFETY: the caller's word.
    unsafe {
        let one = L::splat(1.0);
        L::divide(one, L::add(one, L::exp(L::subtract(L::splat(0.0), x))))
    }
}

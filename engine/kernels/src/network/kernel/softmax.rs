//! Softmax over the channels of each pixel.

use super::{blocked_numbers, lanes};
use crate::Instructions;
use crate::network::lanes::{Lanes, with_lanes};

/// Numbers of scratch: the channels of as many pixels as there are lanes.
pub(in crate::network) fn scratch_numbers(instructions: Instructions, channels: usize) -> usize {
    channels * lanes(instructions)
}

/// For a map of `pixels`.
///
/// # Panics
/// When the maps or the scratch are shorter than that.
pub(in crate::network) fn softmax(
    instructions: Instructions,
    channels: usize,
    pixels: usize,
    x: &[f32],
    y: &mut [f32],
    scratch: &mut [f32],
) {
    assert!(instructions.are_available());
    let numbers = blocked_numbers(lanes(instructions), [channels, pixels, 1]);
    let scratch = &mut scratch[..scratch_numbers(instructions, channels)];
    // SAFETY: the CPU has the instructions; the loops index slices, but for whole registers in `scratch`, which is as
    // many of them as there are channels.
    unsafe { all(instructions, channels, pixels, &x[..numbers], &mut y[..numbers], scratch) };
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the scratch is as long as [`scratch_numbers`] says.
    all = run_all(channels: usize, pixels: usize, x: &[f32], y: &mut [f32], scratch: &mut [f32])
}

#[inline(always)]
unsafe fn run_all<L: Lanes>(channels: usize, pixels: usize, x: &[f32], y: &mut [f32], scratch: &mut [f32]) {
    for first in (0..pixels).step_by(L::LANES) {
        let count = (pixels - first).min(L::LANES);
        let place = |channel: usize, pixel: usize| {
            (channel / L::LANES * pixels + first + pixel) * L::LANES + channel % L::LANES
        };
        for (channel, scratch) in scratch.chunks_exact_mut(L::LANES).enumerate() {
            for (pixel, scratch) in scratch.iter_mut().take(count).enumerate() {
                *scratch = x[place(channel, pixel)];
            }
        }
        // SAFETY: the scratch has a register for each channel.
        unsafe {
            let registers = scratch.as_mut_ptr();
            let mut greatest = L::load(registers);
            for channel in 1..channels {
                greatest = L::max(greatest, L::load(registers.add(channel * L::LANES)));
            }
            let mut sum = L::splat(0.0);
            for channel in 0..channels {
                let register = registers.add(channel * L::LANES);
                let exponential = L::exp(L::subtract(L::load(register), greatest));
                sum = L::add(sum, exponential);
                L::store(register, exponential);
            }
            for channel in 0..channels {
                let register = registers.add(channel * L::LANES);
                L::store(register, L::divide(L::load(register), sum));
            }
        }
        for (channel, scratch) in scratch.chunks_exact(L::LANES).enumerate() {
            for (pixel, scratch) in scratch.iter().take(count).enumerate() {
                y[place(channel, pixel)] = *scratch;
            }
        }
    }
}

//! Convolutions as products of tiles, registers of AMX: 16 pixels by 64 bytes of their channels, times those by 16
//! outputs. An f32 is two bfloat16 (`Halves`), and a product of two f32 three products of those; the fourth is as small
//! as what two bfloat16 miss of an f32.
//!
//! A window looks at the same pixels as the next, one further on: inputs are converted once, with zeros around them, and
//! a tile is read from them for each place of the window.

#[cfg(target_arch = "x86_64")]
pub(super) mod fixed_point;
#[cfg(target_arch = "x86_64")]
mod inputs;
#[cfg(target_arch = "x86_64")]
mod run;
#[cfg(target_arch = "x86_64")]
mod tiles;
mod weights;

#[cfg(target_arch = "x86_64")]
pub(super) use run::{run, scratch_numbers};
pub(super) use weights::packed;

use crate::network::Precision;
use crate::network::graph::Window;
use crate::network::kernel::dense::Dense;
use crate::network::kernel::weights::are_halves;
use crate::network::kernel::winograd::Winograd;
use crate::network::lanes::Pieces;

/// Channels of a block, as for AVX-512.
pub(super) const LANES: usize = 16;
/// Numbers of a tile of weights.
const TILE: usize = 256;
/// Bytes of weights that the second level of the cache has for the next run of a layer, at most.
const NEAR_BYTES: usize = 2 << 20;

/// Tiles of weights for each group of channels.
fn halves(precision: Precision) -> usize {
    match precision {
        Precision::F32 => 2,
        Precision::Bf16 | Precision::Int8 => 1,
    }
}

/// Whether whole numbers of 16 bits can be multiplied in place of weights of 16 bits ([`fixed_point`]).
pub(super) fn can_be_fixed(window: &Window, channels: [usize; 2], weights: &[f32]) -> bool {
    #[cfg(target_arch = "x86_64")]
    return fixed_point::can(window, channels, weights);
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (window, channels, weights);
        false
    }
}

/// What the time of a convolution depends on.
#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Costs<'a> {
    /// Inputs and outputs of a group.
    pub(in crate::network) channels: [usize; 2],
    /// Whether its map comes in the pieces that it takes.
    pub(in crate::network) is_given: bool,
    /// Whether its sums are its outputs.
    pub(in crate::network) is_plain: bool,
    pub(in crate::network) weights: &'a [f32],
    /// Whether inputs may be rounded beside weights that were.
    pub(in crate::network) may_round: bool,
}

impl Costs<'_> {
    /// Whether they are less than with AVX-512; `takes` are the pieces for tiles.
    pub(in crate::network) fn are_less(&self, window: &Window, takes: Pieces) -> bool {
        let [inputs, outputs] = self.channels;
        let is_single = takes.precision == Precision::F32;
        // Tests have few channels.
        let is_test = cfg!(test);
        // Where another thread of the core keeps it busy, three products of halves for each place of a window take longer
        // than what Winograd leaves of them as long as its weights are near, and than those of whole numbers. Registers
        // read half as much where weights stay in 16 bits.
        if is_single && !window.has_one_place() {
            let has_winograd =
                Winograd::can(window) && !is_test && Winograd::weight_bytes_of(self.channels) <= NEAR_BYTES;
            if has_winograd
                || Dense::keeps_half_weights(self.weights)
                || self.may_round && are_halves(self.weights) && can_be_fixed(window, self.channels, self.weights)
            {
                return false;
            }
        }
        if is_test {
            return true;
        }
        // Tenths of a cycle for each pixel, about, as they were measured. Registers take two products of 16 f32 a cycle,
        // tiles 16 cycles, and of second halves with each other none.
        let taps = window.kernel[0] * window.kernel[1];
        let blocks = outputs.div_ceil(LANES);
        let at_once = if takes.precision == Precision::Int8 { 4 } else { 1 };
        let registers = (11 * taps * inputs / at_once / 2 + 22) * blocks;
        let together = takes.channels_together(LANES);
        let groups = inputs.div_ceil(together);
        let (products, put) = match takes.precision {
            Precision::F32 => (3 * if together == LANES { 10 } else { 17 }, if self.is_plain { 50 } else { 95 }),
            Precision::Bf16 => (14, if self.is_plain { 40 } else { 65 }),
            // Most that is bent goes to a depthwise convolution, in 16 bits.
            Precision::Int8 => (14, if self.is_plain { 40 } else { 45 }),
        };
        let copy = if self.is_given { 0 } else { 70 * groups * together / LANES };
        // Two blocks are made at once.
        let made = if blocks == 1 { 1 } else { blocks.next_multiple_of(2) };
        let tiles = (products * taps * groups + put) * made + copy;
        // Beside a busy thread of the core, tiles of f32 take more than twice as long, registers half as long again.
        let tiles = if is_single { tiles * 13 / 10 } else { tiles };
        tiles < registers
    }
}

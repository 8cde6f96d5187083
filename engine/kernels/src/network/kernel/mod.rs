//! What layers are made of. A map is in blocks of channels, `[channels / lanes][height][width][lanes]`, as many lanes as a
//! register has; what is in the lanes after the last channel is left open.
//!
//! Each kernel is a safe function that checks the lengths of what it is given, around loops over pointers that stay
//! within them.

pub(super) mod amx;
pub(super) mod dense;
pub(super) mod depthwise;
pub(super) mod elementwise;
#[cfg(target_arch = "x86_64")]
pub(super) mod f16;
pub(super) mod finish;
pub(super) mod first;
pub(super) mod layout;
pub(super) mod pool;
pub(super) mod softmax;
mod tile;
pub(super) mod upsample;
mod weights;
mod winograd;

use super::shape::Shape;
use crate::Instructions;

/// Channels of a block.
pub(super) fn lanes(instructions: Instructions) -> usize {
    match instructions {
        Instructions::Avx512 | Instructions::Amx => 16,
        Instructions::Avx2 | Instructions::Neon | Instructions::Portable => 8,
    }
}

/// Numbers of a map in blocks.
pub(super) fn blocked_numbers(lanes: usize, [channels, height, width]: Shape) -> usize {
    channels.next_multiple_of(lanes) * height * width
}

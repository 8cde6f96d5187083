//! What happens to a sum before it is stored.

use crate::network::graph::Activation;
use crate::network::lanes::Lanes;
use crate::network::memory::Memory;

/// An activation that kernels apply on the way out.
#[derive(Debug, Clone)]
pub(in crate::network) enum Bend {
    /// As it is.
    None,
    /// Not below it.
    Least(f32),
    /// Not below the one nor above the other.
    Bounds(f32, f32),
    /// A slope for each channel, in blocks.
    Slopes(Memory),
}

/// [`Bend`] for the loops.
#[derive(Debug, Clone, Copy)]
pub(super) enum BendAt<'a> {
    None,
    Least(f32),
    Bounds(f32, f32),
    Slopes(&'a [f32]),
}

impl Bend {
    /// For so many channels; none for those that take a pass of their own.
    pub(in crate::network) fn new(activation: &Activation, channels: usize, lanes: usize) -> Option<Self> {
        match activation {
            // Half as long as two bounds.
            Activation::Relu => Some(Self::Least(0.0)),
            Activation::Clip { low, high } => Some(Self::Bounds(*low, *high)),
            Activation::PRelu(slopes) => Some(Self::Slopes(per_channel(slopes, channels, lanes))),
            Activation::Sigmoid => None,
        }
    }

    /// The part for `count` channels from `first` on, whole blocks.
    pub(in crate::network) fn part(&self, first: usize, count: usize) -> Self {
        match self {
            Self::None => Self::None,
            Self::Least(low) => Self::Least(*low),
            Self::Bounds(low, high) => Self::Bounds(*low, *high),
            Self::Slopes(slopes) => Self::Slopes(Memory::from_slice(&slopes.numbers()[first..][..count])),
        }
    }

    pub(super) fn at(&self) -> BendAt<'_> {
        match self {
            Self::None => BendAt::None,
            Self::Least(low) => BendAt::Least(*low),
            Self::Bounds(low, high) => BendAt::Bounds(*low, *high),
            Self::Slopes(slopes) => BendAt::Slopes(slopes.numbers()),
        }
    }

    /// Whether it can be applied to so many blocks.
    pub(super) fn fits(&self, blocks: usize, lanes: usize) -> bool {
        match self {
            Self::None | Self::Least(_) | Self::Bounds(..) => true,
            Self::Slopes(slopes) => slopes.len() >= blocks * lanes,
        }
    }
}

/// Runs `$run` with `$name` for the bend, once for each kind, so that loops in it do not ask for the kind.
macro_rules! with_bend {
    ($bend:expr, $name:ident => $run:expr) => {
        match $bend {
            BendAt::None => {
                let $name = BendAt::None;
                $run
            }
            BendAt::Least(low) => {
                let $name = BendAt::Least(low);
                $run
            }
            BendAt::Bounds(low, high) => {
                let $name = BendAt::Bounds(low, high);
                $run
            }
            BendAt::Slopes(slopes) => {
                let $name = BendAt::Slopes(slopes);
                $run
            }
        }
    };
}
pub(super) use with_bend;

impl BendAt<'_> {
    /// # Safety
    /// The CPU has the instructions, and the bend [fits](Bend::fits) this block.
    #[inline(always)]
    pub(super) unsafe fn apply<L: Lanes>(self, block: usize, x: L::Register) -> L::Register {
        // SAFETY: the slopes of the block are there, by the caller's word.
        unsafe {
            match self {
                BendAt::None => x,
                BendAt::Least(low) => L::max(x, L::splat(low)),
                BendAt::Bounds(low, high) => L::min(L::max(x, L::splat(low)), L::splat(high)),
                BendAt::Slopes(slopes) => {
                    let zero = L::splat(0.0);
                    let slope = L::load(slopes.as_ptr().add(block * L::LANES));
                    L::multiply_add(L::min(x, zero), slope, L::max(x, zero))
                }
            }
        }
    }
}

/// One number for each channel, in blocks; `numbers` are those, one for all, or none for zeros.
pub(in crate::network) fn per_channel(numbers: &[f32], channels: usize, lanes: usize) -> Memory {
    let mut memory = Memory::zeros(channels.next_multiple_of(lanes));
    let places = &mut memory.numbers_mut()[..channels];
    match numbers {
        [] => {}
        [all] => places.fill(*all),
        _ => places.copy_from_slice(numbers),
    }
    memory
}

/// Weights of channels with `terms` numbers each, as `[channels / lanes][terms][lanes]`, zeros for channels that fill
/// the last block.
pub(in crate::network) fn blocked_weights(weights: &[f32], channels: usize, terms: usize, lanes: usize) -> Memory {
    assert_eq!(weights.len(), channels * terms, "weights");
    let mut memory = Memory::zeros(channels.next_multiple_of(lanes) * terms);
    let packed = memory.numbers_mut();
    for channel in 0..channels {
        for term in 0..terms {
            let place = (channel / lanes * terms + term) * lanes + channel % lanes;
            packed[place] = weights[channel * terms + term];
        }
    }
    memory
}

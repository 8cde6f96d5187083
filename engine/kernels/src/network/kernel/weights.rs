//! Weights in the order in which registers take them.

use crate::network::Precision;
use crate::network::lanes::{Pieces, nearest};
use crate::network::memory::Memory;

/// `[outputs / lanes][taps][pieces][lanes]`, zeros where a piece or a block has more than there are. `weight` gives that
/// of an output, an input and a tap, for bytes a whole number.
pub(super) fn packed(
    [inputs, outputs]: [usize; 2],
    taps: usize,
    lanes: usize,
    takes: Pieces,
    weight: impl Fn(usize, usize, usize) -> f32,
) -> Memory {
    let channels = takes.channels();
    let pieces = inputs.div_ceil(channels);
    let mut packed = Memory::zeros(outputs.next_multiple_of(lanes) * taps * pieces);
    let places = packed.numbers_mut();
    for output in 0..outputs {
        for tap in 0..taps {
            for piece in 0..pieces {
                let of_channel = |channel: usize| match piece * channels + channel {
                    input if input < inputs => weight(output, input, tap),
                    _ => 0.0,
                };
                let halves = || [0, 1].map(|channel| u32::from(nearest(of_channel(channel))));
                let place = ((output / lanes * taps + tap) * pieces + piece) * lanes + output % lanes;
                places[place] = match takes.precision {
                    Precision::F32 => of_channel(0),
                    Precision::Bf16 => f32::from_bits(halves()[1] << 16 | halves()[0]),
                    Precision::Int8 => {
                        let bytes = [0, 1, 2, 3].map(|channel| (of_channel(channel) as i8).cast_unsigned());
                        f32::from_bits(u32::from_ne_bytes(bytes))
                    }
                };
            }
        }
    }
    packed
}

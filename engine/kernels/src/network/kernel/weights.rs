//! Weights in the order in which registers take them.

use half::f16;

use crate::network::Precision;
use crate::network::lanes::{Pieces, nearest};
use crate::network::memory::Memory;

/// A number in 16 bits, where it is one of those.
fn half(number: f32) -> Option<f16> {
    Some(f16::from_f32(number)).filter(|half| half.to_f32().to_bits() == number.to_bits())
}

/// Two words in the place of one number.
pub(super) fn pair([first, second]: [u16; 2]) -> f32 {
    f32::from_bits(u32::from(second) << 16 | u32::from(first))
}

/// Whether they can be [`halved`].
pub(super) fn are_halves(weights: &[f32]) -> bool {
    weights.iter().all(|&number| half(number).is_some())
}

/// f32 in 16 bits each, two in the place of one, where each of them is one of 16 bits: as many networks are stored.
pub(super) fn halved(weights: &Memory) -> Option<Memory> {
    let mut halved = Memory::zeros(weights.len().div_ceil(2));
    for (two, place) in weights.numbers().chunks(2).zip(halved.numbers_mut()) {
        *place = pair([half(two[0])?, half(*two.get(1).unwrap_or(&0.0))?].map(f16::to_bits));
    }
    Some(halved)
}

/// One of those that were [`halved`].
pub(super) fn of_halved(weights: &[f32], index: usize) -> f32 {
    f16::from_bits((weights[index / 2].to_bits() >> (index % 2 * 16)) as u16).to_f32()
}

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
                let place = ((output / lanes * taps + tap) * pieces + piece) * lanes + output % lanes;
                places[place] = match takes.precision {
                    Precision::F32 => of_channel(0),
                    Precision::Bf16 => pair([0, 1].map(|channel| nearest(of_channel(channel)))),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_16_bits_are_halved_and_no_others() {
        let numbers = [1.0, -0.5, 65504.0, 0.0, -0.0, 6.103_515_6e-5, 5.960_464_5e-8];
        let memory = Memory::from_slice(&numbers);
        assert!(are_halves(&numbers));
        let halves = halved(&memory).unwrap();
        for (index, number) in numbers.iter().enumerate() {
            assert_eq!(of_halved(halves.numbers(), index).to_bits(), number.to_bits());
        }
        for other in [0.1, 65536.0, 1.0 + f32::EPSILON, 2.9e-8] {
            assert!(halved(&Memory::from_slice(&[1.0, other])).is_none(), "{other}");
            assert!(!are_halves(&[1.0, other]), "{other}");
        }
    }
}

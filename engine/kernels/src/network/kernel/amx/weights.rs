//! Weights in tiles.

use super::{LANES, TILE, halves};
use crate::network::Precision;
use crate::network::lanes::{Pieces, nearest};
use crate::network::memory::Memory;

/// `[outputs / 16][taps][inputs together][halves][rows][16 outputs]`: a row has as many channels of each output as are
/// in 32 bits, and there are 16 rows or, where fewer blocks are together, as many as those fill, and the halves of f32 are tiles one after the other. `weight` gives that of an output, an input and a
/// tap, for bytes a whole number.
pub(in crate::network) fn packed(
    [inputs, outputs]: [usize; 2],
    taps: usize,
    takes: Pieces,
    weight: impl Fn(usize, usize, usize) -> f32,
) -> Memory {
    let together = takes.channels_together(LANES);
    let groups = inputs.div_ceil(together);
    let halves = halves(takes.precision);
    let in_row = match takes.precision {
        Precision::F32 | Precision::Bf16 => 2,
        Precision::Int8 => 4,
    };
    let width = u32::BITS as usize / in_row;
    let mut packed = Memory::zeros(outputs.div_ceil(LANES) * taps * groups * halves * TILE);
    let places = packed.numbers_mut();
    for output in 0..outputs {
        for tap in 0..taps {
            for input in 0..inputs {
                let tile = ((output / LANES * taps + tap) * groups + input / together) * halves;
                let place = tile * TILE + input % together / in_row * LANES + output % LANES;
                let weight = weight(output, input, tap);
                let mut put = |place: usize, bits: u32| {
                    let bits = places[place].to_bits() | bits << (input % in_row * width);
                    places[place] = f32::from_bits(bits);
                };
                match takes.precision {
                    Precision::F32 => {
                        let first = nearest(weight);
                        let missing = weight - f32::from_bits(u32::from(first) << 16);
                        put(place, u32::from(first));
                        put(place + TILE, u32::from(nearest(missing)));
                    }
                    Precision::Bf16 => put(place, u32::from(nearest(weight))),
                    Precision::Int8 => put(place, u32::from((weight as i8).cast_unsigned())),
                }
            }
        }
    }
    packed
}

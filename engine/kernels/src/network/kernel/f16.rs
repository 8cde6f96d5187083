//! Maps of 16-bit numbers (IEEE 754 binary16) between a convolution of bytes and a depthwise one that makes bytes of
//! them: a register has two blocks of channels, and an instruction does for both.
//!
//! Each channel is in a unit of its own, so that numbers of any size have the same digits, and none is too large.

use std::arch::x86_64::*;

use half::f16;

use super::finish::Bend;
use super::weights::pair;
use crate::network::lanes::F16;
use crate::network::memory::Memory;

/// Channels of a register.
pub(in crate::network) const TOGETHER: usize = 32;

/// The greatest number of 16 bits.
const MOST: f32 = 65504.0;

/// Units of the most that a number can be.
pub(super) const BOUND: f32 = 64.0;

/// In what a channel of a map of 16 bits is counted.
#[derive(Debug, Clone, Copy)]
pub(in crate::network) struct Unit {
    /// Units for each 1.
    pub(super) per_one: f32,
    /// How far sums are shifted, to be words.
    shift: u32,
    /// Units for each word.
    per_word: f32,
}

impl Unit {
    /// For an output whose sums of products are from `reach[0]` to `reach[1]`, have `start` added, and are `scale` each;
    /// `bias` is added to those. `None` for one that is out of all proportion.
    pub(super) fn new(
        reach: [i32; 2],
        start: i32,
        [scale, bias]: [f32; 2],
        bend: &Bend,
        channel: usize,
    ) -> Option<Self> {
        let sums = reach.map(|sum| [sum, sum.saturating_add(start)]);
        let most = sums.as_flattened().iter().map(|sum| sum.abs()).max()?;
        let shift = (0..17).find(|shift| most >> shift < i32::from(i16::MAX))?;
        let of_word = scale * (1 << shift) as f32;
        let furthest = match bend {
            // A unit for all channels, so that the bounds are too.
            Bend::Bounds(low, high) => low.abs().max(high.abs()),
            _ => (f32::from(i16::MAX) * of_word + bias.abs()) * slope(bend, channel)?.abs().max(1.0),
        };
        // A channel that is nothing at all may have any unit.
        let per_one = if furthest < 1e-30 { 1.0 } else { BOUND / furthest };
        // Where the words of a channel are nearly nothing beside the bound, this has fewer digits, or is zero. All words
        // together miss a thousandth of a unit then.
        let per_word = of_word * per_one;
        let can = per_one.is_normal() && fits(bias.abs() * per_one) && fits(per_word);
        can.then_some(Self { per_one, shift, per_word })
    }
}

/// Whether no number of 16 bits, rounded on the way a few times, is too large that is no greater than this one.
pub(super) fn fits(most: f32) -> bool {
    most * 1.01 < MOST
}

/// What a number below zero of a channel is multiplied by; `None` where more happens.
pub(super) fn slope(bend: &Bend, channel: usize) -> Option<f32> {
    match bend {
        Bend::None => Some(1.0),
        Bend::Least(0.0) => Some(0.0),
        Bend::Slopes(slopes) => Some(slopes.numbers()[channel]),
        Bend::Least(_) | Bend::Bounds(..) => None,
    }
}

/// [`Bend`] for numbers of 16 bits: what a number below zero is multiplied by, of each channel, or between what it is kept.
#[derive(Debug, Clone)]
pub(super) enum BendF16 {
    Slopes(Memory),
    Bounds([f32; 2]),
}

impl BendF16 {
    /// For so many channels, where a bound of 1 is `per_one`.
    pub(super) fn new(bend: &Bend, channels: usize, per_one: f32) -> Option<Self> {
        if let Bend::Bounds(low, high) = bend {
            return Some(Self::Bounds([low, high].map(|bound| bound * per_one)));
        }
        let slopes = (0..channels).map(|channel| slope(bend, channel)).collect::<Option<Vec<_>>>()?;
        Some(Self::Slopes(packed(slopes)))
    }

    /// That of two blocks.
    ///
    /// # Safety
    /// The CPU has AVX-512 FP16, and there are as many blocks.
    #[inline(always)]
    pub(super) unsafe fn at(&self, both: usize) -> BendF16At {
        // SAFETY: the caller's word.
        unsafe {
            match self {
                Self::Slopes(slopes) => BendF16At::Slopes(F16::load(slopes, both)),
                Self::Bounds(bounds) => BendF16At::Bounds(bounds.map(|bound| F16::splat(bound))),
            }
        }
    }
}

/// [`BendF16`] for the loops.
#[derive(Debug, Clone, Copy)]
pub(super) enum BendF16At {
    Slopes(__m512h),
    Bounds([__m512h; 2]),
}

impl BendF16At {
    /// # Safety
    /// The CPU has AVX-512 FP16.
    #[inline(always)]
    pub(super) unsafe fn apply(self, numbers: __m512h) -> __m512h {
        // SAFETY: the caller's word.
        unsafe {
            match self {
                Self::Slopes(slopes) => {
                    let are_below = _mm512_cmp_ph_mask::<_CMP_LT_OQ>(numbers, _mm512_setzero_ph());
                    _mm512_mask_mul_ph(numbers, are_below, numbers, slopes)
                }
                Self::Bounds([low, high]) => _mm512_min_ph(_mm512_max_ph(numbers, low), high),
            }
        }
    }
}

/// Numbers in 16 bits each, two in the place of one.
pub(super) fn packed(numbers: impl IntoIterator<Item = f32>) -> Memory {
    packed_bits(numbers.into_iter().map(|number| f16::from_f32(number).to_bits()))
}

fn packed_bits(words: impl IntoIterator<Item = u16>) -> Memory {
    let words: Vec<u16> = words.into_iter().collect();
    Memory::from_slice(&words.as_chunks().0.iter().copied().map(pair).collect::<Vec<_>>())
}

/// How the sums of two tiles become numbers of 16 bits.
#[derive(Debug, Clone)]
pub(super) struct FromTiles {
    /// How far sums are shifted, for the lanes of both tiles as [`channel_of`] says.
    pub(super) shifts: Memory,
    /// What is taken off the words then.
    pub(super) starts: Memory,
    /// Units for each word.
    pub(super) per_word: Memory,
    /// Added to units.
    pub(super) bias: Memory,
    pub(super) bend: BendF16,
}

impl FromTiles {
    /// `starts`, `bias` and `bend` are those of a convolution of bytes, for all of its outputs.
    pub(super) fn new(units: &[Unit], starts: &[f32], bias: &[f32], bend: &Bend) -> Self {
        let start = |channel: usize| starts[channel].to_bits().cast_signed();
        let word = |channel: usize| -start(channel) >> units[channel].shift;
        let bias = |channel: usize| {
            let Unit { per_one, shift, per_word, .. } = units[channel];
            // A shift takes off half a word in the mean, and the word less than the start.
            let shifted = (1_i64 << shift) as f64;
            let half = if shift == 0 { 0.0 } else { 0.5 };
            let words = f64::from(word(channel)) + half + f64::from(start(channel)) / shifted;
            (words * f64::from(per_word) + f64::from(bias[channel]) * f64::from(per_one)) as f32
        };
        let channels = 0..units.len();
        let shift = |lane: usize| f32::from_bits(units[channel_of(lane)].shift);
        Self {
            shifts: Memory::from_slice(&channels.clone().map(shift).collect::<Vec<_>>()),
            starts: packed_bits(channels.clone().map(|channel| (word(channel) as i16).cast_unsigned())),
            per_word: packed(units.iter().map(|unit| unit.per_word)),
            bias: packed(channels.map(bias)),
            bend: BendF16::new(bend, units.len(), units[0].per_one).expect("there are units where there is one"),
        }
    }
}

/// The channel that a lane has, of both tiles: packing words takes four of the first and four of the second in turn.
pub(super) fn channel_of(lane: usize) -> usize {
    let (both, tile, lane) = (lane / TOGETHER, lane / (TOGETHER / 2) % 2, lane % (TOGETHER / 2));
    both * TOGETHER + lane / 4 * 8 + tile * 4 + lane % 4
}

/// Orders the outputs of weights in tiles, so many numbers a block, by [`channel_of`].
pub(super) fn order_for_tiles(weights: &mut Memory, of_block: usize) {
    const LANES: usize = TOGETHER / 2;
    for both in weights.numbers_mut().chunks_exact_mut(2 * of_block) {
        let (first, second) = both.split_at_mut(of_block);
        for (first, second) in first.chunks_exact_mut(LANES).zip(second.chunks_exact_mut(LANES)) {
            let mut of_channel = [0.0; TOGETHER];
            of_channel[..LANES].copy_from_slice(first);
            of_channel[LANES..].copy_from_slice(second);
            for (lane, number) in first.iter_mut().chain(second).enumerate() {
                *number = of_channel[channel_of(lane)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_packed_from_tiles_are_in_the_order_of_channels() {
        // Four lanes of the first and four of the second in each 128 bits, as VPACKSSDW has it.
        let packed = (0..4).flat_map(|part| [part * 4, part * 4 + 16].map(|first| first..first + 4)).flatten();
        assert!(packed.map(channel_of).eq(0..TOGETHER));
    }

    #[test]
    fn units_hold_all_that_a_sum_can_be() {
        for (reach, start) in [([-255 * 127 * 64, 255 * 127 * 64], -128 * 127 * 64), ([0, 3], 0), ([0, 0], 0)] {
            let unit = Unit::new(reach, start, [0.25, 1.0], &Bend::Slopes(Memory::from_slice(&[2.0])), 0).unwrap();
            for sum in reach.map(|sum| sum + start) {
                let number = (sum as f32 * 0.25 + 1.0) * unit.per_one;
                assert!(number.abs() * 2.0 <= BOUND, "{number} of {unit:?}");
            }
        }
        for numbers in [[0.0, 1.0], [1e-20, 1.0], [1e-39, 0.0], [0.0; 2]] {
            assert!(Unit::new([-1, 1], 0, numbers, &Bend::None, 0).is_some(), "{numbers:?}");
            assert!(Unit::new([-1, 1], 0, numbers, &Bend::Bounds(0.0, 6.0), 0).is_some(), "{numbers:?}");
        }
        for numbers in [[f32::NAN, 1.0], [1.0, f32::NAN], [1.0, f32::INFINITY]] {
            assert!(Unit::new([-1, 1], 0, numbers, &Bend::None, 0).is_none(), "{numbers:?}");
            assert!(Unit::new([-1, 1], 0, numbers, &Bend::Bounds(0.0, 6.0), 0).is_none(), "{numbers:?}");
        }
        assert!(Unit::new([-1, 1], 0, [1.0, 1.0], &Bend::Bounds(0.0, f32::INFINITY), 0).is_none());
        assert!(Unit::new([-1, 1], 0, [1.0, 1.0], &Bend::Least(0.5), 0).is_none());
    }
}

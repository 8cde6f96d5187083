//! Codes of different lengths, and the numbers behind them.

use super::bits::Bits;

/// Bits that are looked up at once. Longer codes are rare.
const LOOKED_UP: u32 = 10;
const LONGEST_CODE: usize = 16;

/// Codes of a file, made to be looked up.
#[derive(Debug, Clone)]
pub struct HuffmanTable {
    /// By the next bits: what comes, or nothing where the code is longer.
    short: Box<[Entry; 1 << LOOKED_UP]>,
    /// For each length: the first code behind those of this length, at the top of 16 bits; more than any for the last.
    ends: [u32; LONGEST_CODE + 1],
    /// What to add to a code of each length to get its place among the symbols.
    offsets: [i32; LONGEST_CODE + 1],
    symbols: Box<[u8; 256]>,
}

/// What a code says: zeros to leave out, the bits of a number, and all the bits together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    const NONE: Self = Self(0);

    fn new(code_bits: u32, symbol: u8) -> Self {
        let (zeros, number_bits) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        // A symbol without a number is the end of the block, except for 16 zeros.
        let zeros = if number_bits == 0 && zeros != 15 { END } else { zeros };
        Self((code_bits + number_bits) | code_bits << 8 | number_bits << 16 | zeros << 24)
    }

    #[inline(always)]
    fn all_bits(self) -> u32 {
        self.0 & 0xff
    }

    /// Zeros before the number; [`END`] at the end of a block.
    #[inline(always)]
    pub(super) fn zeros(self) -> u32 {
        self.0 >> 24
    }
}

/// More zeros than a block has places.
pub(super) const END: u32 = 64;

impl HuffmanTable {
    /// From how many codes there are of 1 to 16 bits, and what they stand for, as a file has it. `None` where there are
    /// more codes than bits can tell apart, or symbols are missing.
    pub fn new(counts: &[u8; LONGEST_CODE], symbols: &[u8]) -> Option<Self> {
        let all: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let mut table = Self {
            short: Box::new([Entry::NONE; 1 << LOOKED_UP]),
            ends: [0; LONGEST_CODE + 1],
            offsets: [0; LONGEST_CODE + 1],
            symbols: Box::new([0; 256]),
        };
        table.symbols.get_mut(..all)?.copy_from_slice(symbols.get(..all)?);
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, &count) in (1..).zip(counts) {
            table.offsets[length] = place as i32 - code as i32;
            for _ in 0..count {
                // The code of ones alone stands for nothing, so that it can fill up the last byte.
                if code >> length != 0 {
                    return None;
                }
                if length as u32 <= LOOKED_UP {
                    let free = LOOKED_UP - length as u32;
                    let first = (code as usize) << free;
                    table.short[first..first + (1 << free)].fill(Entry::new(length as u32, table.symbols[place]));
                }
                code += 1;
                place += 1;
            }
            table.ends[length] = code << (LONGEST_CODE - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Whether every number has at most `bits` bits.
    pub(super) fn has_numbers_up_to(&self, bits: u8) -> bool {
        self.symbols.iter().all(|symbol| symbol & 15 <= bits)
    }

    /// What comes next. `None` where no code begins so.
    #[inline(always)]
    pub(super) fn entry(&self, bits: &Bits<'_>) -> Option<Entry> {
        let entry = self.short[(bits.peek() >> (64 - LOOKED_UP)) as usize];
        if entry != Entry::NONE { Some(entry) } else { self.long(bits.peek()) }
    }

    #[cold]
    #[inline(never)]
    fn long(&self, next: u64) -> Option<Entry> {
        let next = (next >> 48) as u32;
        let length = (LOOKED_UP as usize + 1..=LONGEST_CODE).find(|&length| next < self.ends[length])?;
        let code = (next >> (LONGEST_CODE - length)) as i32;
        let place = usize::try_from(code + self.offsets[length]).ok()?;
        Some(Entry::new(length as u32, *self.symbols.get(place)?))
    }
}

/// Takes the code and the number of `entry`; of a symbol without a number, 0.
#[inline(always)]
pub(super) fn take_number(bits: &mut Bits<'_>, entry: Entry) -> i32 {
    let (code_bits, number_bits) = (entry.0 >> 8 & 0xff, entry.0 >> 16 & 0xff);
    let next = bits.peek() << (code_bits & 63);
    // In two steps, since none by 64 is possible.
    let number = ((next >> 1) >> (63 - number_bits & 63)) as i32;
    // Numbers that begin with a zero are negative: 0 stands for the lowest of so many bits.
    let below = (1 - (1 << number_bits)) & !((next as i64 >> 63) as i32);
    bits.take(entry.all_bits());
    number + below
}

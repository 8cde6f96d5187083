//! Codes of different lengths, and the numbers behind them.

use super::bits::Bits;

/// Bits that are looked up at once. Few symbols have more with their number, fewer have codes that are longer.
const LOOKED_UP: u32 = 10;
const LONGEST_CODE: usize = 16;

/// Codes of a file, made to be looked up.
#[derive(Debug, Clone)]
pub struct HuffmanTable {
    /// By the next bits: a symbol and its number, or nothing where both together have more bits.
    short: Box<Short>,
    /// By the next bits: the bits of a code and its symbol, or nothing where it is longer.
    codes: Box<[Code; 1 << LOOKED_UP]>,
    /// For each length: what all codes of at most this length are below, at the top of 16 bits.
    ends: [u32; LONGEST_CODE + 1],
    /// What to add to a code of each length to get its place among the symbols.
    offsets: [i32; LONGEST_CODE + 1],
    symbols: Box<[u8; 256]>,
}

/// Symbols with their numbers, by the next bits.
pub(super) type Short = [Entry; 1 << LOOKED_UP];

/// A symbol with its number: the bits of both, zeros before the number, and the number, from the lowest bits on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u32);

/// The bits of a code, and its symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Code {
    bits: u8,
    symbol: u8,
}

impl Code {
    const NONE: Self = Self { bits: 0, symbol: 0 };

    /// Bits of the number behind the symbol.
    #[inline(always)]
    fn number_bits(self) -> u32 {
        u32::from(self.symbol & 15)
    }

    /// Bits of both.
    #[inline(always)]
    fn all_bits(self) -> u32 {
        u32::from(self.bits) + self.number_bits()
    }

    /// The number, where the next bits are those of the code and of it; 0 of a symbol without one.
    #[inline(always)]
    fn number(self, next: u64) -> i32 {
        let next = next << (self.bits & 63);
        // In two steps, since none by 64 is possible.
        let number = (next >> 1 >> (63 - self.number_bits())) as i32;
        // Numbers that begin with a zero are negative: 0 stands for the lowest of so many bits.
        let below = (1 - (1 << self.number_bits())) & !((next as i64 >> 63) as i32);
        number + below
    }
}

/// More zeros than a block has places: nothing but zeros is left of it.
pub(super) const END: u32 = 64;

impl Entry {
    const NONE: Self = Self(0);

    fn new(code: Code, next: u64) -> Self {
        let zeros = match (code.symbol >> 4, code.number_bits()) {
            (0..15, 0) => END,
            (zeros, _) => zeros.into(),
        };
        Self(code.all_bits() | zeros << 8 | (code.number(next) as u32) << 16)
    }

    #[inline(always)]
    fn all_bits(self) -> u32 {
        self.0 & 0xff
    }

    /// Zeros before the number; [`END`] at the end of a block.
    #[inline(always)]
    pub(super) fn zeros(self) -> u32 {
        self.0 >> 8 & 0xff
    }

    #[inline(always)]
    pub(super) fn number(self) -> i16 {
        (self.0 >> 16) as i16
    }
}

impl HuffmanTable {
    /// From how many codes there are of 1 to 16 bits, and what they stand for, as a file has it. `None` where there are
    /// more codes than bits can tell apart, or symbols are missing.
    pub fn new(counts: &[u8; LONGEST_CODE], symbols: &[u8]) -> Option<Self> {
        let all: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let mut table = Self {
            short: Box::new([Entry::NONE; 1 << LOOKED_UP]),
            codes: Box::new([Code::NONE; 1 << LOOKED_UP]),
            ends: [0; LONGEST_CODE + 1],
            offsets: [0; LONGEST_CODE + 1],
            symbols: Box::new([0; 256]),
        };
        table.symbols.get_mut(..all)?.copy_from_slice(symbols.get(..all)?);
        let (mut code, mut place) = (0_u32, 0_usize);
        for (bits, &count) in (1..).zip(counts) {
            table.offsets[bits] = place as i32 - code as i32;
            for _ in 0..count {
                if code >> bits != 0 {
                    return None;
                }
                if bits as u32 <= LOOKED_UP {
                    table.look_up(code, Code { bits: bits as u8, symbol: table.symbols[place] });
                }
                code += 1;
                place += 1;
            }
            table.ends[bits] = code << (LONGEST_CODE - bits);
            code <<= 1;
        }
        Some(table)
    }

    /// Notes a code wherever the next bits begin with it.
    fn look_up(&mut self, bits: u32, code: Code) {
        let free = LOOKED_UP - u32::from(code.bits);
        let first = (bits as usize) << free;
        for place in first..first + (1 << free) {
            self.codes[place] = code;
            if code.all_bits() <= LOOKED_UP {
                self.short[place] = Entry::new(code, (place as u64) << (64 - LOOKED_UP));
            }
        }
    }

    /// Whether every number has at most `bits` bits.
    pub(super) fn has_numbers_up_to(&self, bits: u8) -> bool {
        self.symbols.iter().all(|symbol| symbol & 15 <= bits)
    }

    /// For [`take_entry`](Self::take_entry), to be kept in a register.
    #[inline(always)]
    pub(super) fn short(&self) -> &Short {
        &self.short
    }

    /// Takes a symbol and its number. `None` where no code begins so.
    #[inline(always)]
    pub(super) fn take_entry(&self, short: &Short, bits: &mut Bits<'_>) -> Option<Entry> {
        let mut entry = short[(bits.peek() >> (64 - LOOKED_UP)) as usize];
        if entry == Entry::NONE {
            entry = self.long(bits.peek())?;
        }
        bits.take(entry.all_bits());
        Some(entry)
    }

    #[cold]
    #[inline(never)]
    fn long(&self, next: u64) -> Option<Entry> {
        self.code(next).map(|code| Entry::new(code, next))
    }

    /// Takes a symbol and gives its number alone. `None` where no code begins so.
    #[inline(always)]
    pub(super) fn take_number(&self, bits: &mut Bits<'_>) -> Option<i32> {
        let mut code = self.codes[(bits.peek() >> (64 - LOOKED_UP)) as usize];
        if code == Code::NONE {
            code = self.code(bits.peek())?;
        }
        let number = code.number(bits.peek());
        bits.take(code.all_bits());
        Some(number)
    }

    #[cold]
    #[inline(never)]
    fn code(&self, next: u64) -> Option<Code> {
        let next = (next >> 48) as u32;
        let bits = (1..=LONGEST_CODE).find(|&bits| next < self.ends[bits])?;
        let place = (next >> (LONGEST_CODE - bits)) as i32 + self.offsets[bits];
        let symbol = *self.symbols.get(usize::try_from(place).ok()?)?;
        Some(Code { bits: bits as u8, symbol })
    }
}

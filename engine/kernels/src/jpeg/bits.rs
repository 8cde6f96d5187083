//! The bits of a scan, the highest of a byte first, without the zeros that stand behind bytes of 255.

/// Bits of a scan, from its first byte to the next marker. Small enough for registers, where whoever takes many of them
/// keeps a copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'a> {
    /// The bytes that were not taken yet.
    rest: &'a [u8],
    /// The next bits, from the top. Behind those that count there may be more of `rest`.
    buffer: u64,
    /// How many count.
    count: u32,
    /// How many of all that ever counted stand for what is behind the last byte.
    missing: u32,
}

impl<'a> Bits<'a> {
    /// At least so many count after [`refill`](Self::refill).
    pub(super) const REFILLED: u32 = 56;

    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { rest: data, buffer: 0, count: 0, missing: 0 }
    }

    /// The next bits, from the top.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        self.buffer
    }

    /// Takes `bits`, fewer than 64 and no more than count.
    #[inline(always)]
    pub(super) fn take(&mut self, bits: u32) {
        self.buffer <<= bits & 63;
        self.count = self.count.wrapping_sub(bits);
    }

    /// Makes [`REFILLED`](Self::REFILLED) bits or more count; zeros behind the last byte.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if let Some(bytes) = self.rest.first_chunk() {
            let next = u64::from_be_bytes(*bytes);
            if !has_byte_of_255(next) {
                let count = self.count & 63;
                self.buffer |= next >> count;
                self.rest = &self.rest[((63 - count) >> 3) as usize..];
                self.count = count | 56;
                return;
            }
        }
        *self = self.refilled_by_bytes();
    }

    #[cold]
    #[inline(never)]
    fn refilled_by_bytes(mut self) -> Self {
        while self.count < Self::REFILLED {
            let (byte, bytes) = match *self.rest {
                [255, 0, ..] => (255, 2),
                // What may stand before a marker.
                [255, 255, ..] => {
                    self.rest = &self.rest[1..];
                    continue;
                }
                [255, ..] | [] => {
                    self.missing = self.missing.saturating_add(8);
                    (0, 0)
                }
                [byte, ..] => (byte, 1),
            };
            self.rest = &self.rest[bytes..];
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// Whether more was taken than there was.
    #[inline(always)]
    pub(super) fn ran_out(&self) -> bool {
        self.count < self.missing
    }

    /// Goes behind the next marker that restarts, and tells its number, 0…7; `None` where another marker comes first, or
    /// the end.
    pub(super) fn next_restart(&mut self) -> Option<u8> {
        (self.buffer, self.count, self.missing) = (0, 0, 0);
        loop {
            let at = self.rest.iter().position(|&byte| byte == 255)?;
            self.rest = &self.rest[at..];
            let (bytes, number) = match *self.rest.get(1)? {
                0 => (2, None),
                255 => (1, None),
                marker @ 0xd0..=0xd7 => (2, Some(marker & 7)),
                _ => return None,
            };
            self.rest = &self.rest[bytes..];
            if number.is_some() {
                return number;
            }
        }
    }
}

/// Exact for the lowest such byte, and so for whether there is one.
#[inline(always)]
fn has_byte_of_255(bytes: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    (!bytes).wrapping_sub(ONES) & bytes & (ONES << 7) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `widths` bits after each other.
    fn taken(data: &[u8], widths: &[u32]) -> Vec<u64> {
        let mut bits = Bits::new(data);
        let take = |&width: &u32| {
            bits.refill();
            let value = bits.peek() >> (64 - width);
            bits.take(width);
            value
        };
        widths.iter().map(take).collect()
    }

    #[test]
    fn a_byte_of_255_is_found_wherever_it_stands() {
        for place in 0..8 {
            for other in [0_u8, 1, 127, 128, 254] {
                let mut bytes = [other; 8];
                assert!(!has_byte_of_255(u64::from_be_bytes(bytes)), "{bytes:?}");
                bytes[place] = 255;
                assert!(has_byte_of_255(u64::from_be_bytes(bytes)), "{bytes:?}");
            }
        }
    }

    #[test]
    fn stuffed_zeros_are_left_out() {
        let data = [0x12, 255, 0, 0x34, 255, 255, 0, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x11, 0x22, 0x33];
        assert_eq!(
            taken(&data, &[4, 4, 8, 8, 8, 8, 13, 19]),
            [0x1, 0x2, 0xff, 0x34, 0xff, 0x56, 0x789a >> 3, ((0x9a & 7) << 16) | 0xbcde]
        );
    }

    #[test]
    fn behind_the_end_are_zeros_that_show() {
        let mut bits = Bits::new(&[0xab, 0xcd, 255, 0xd9, 7]);
        for expected in [0xab, 0xcd] {
            bits.refill();
            assert_eq!(bits.peek() >> 56, expected);
            bits.take(8);
            assert!(!bits.ran_out());
        }
        bits.refill();
        assert_eq!(bits.peek(), 0);
        bits.take(1);
        assert!(bits.ran_out());
        assert_eq!(bits.next_restart(), None);
    }

    #[test]
    fn restarts_are_found_behind_what_was_not_taken() {
        let mut bits = Bits::new(&[1, 2, 3, 255, 0, 4, 255, 255, 0xd3, 0xf0, 255, 0xd4, 255]);
        bits.refill();
        bits.take(3);
        assert_eq!(bits.next_restart(), Some(3));
        bits.refill();
        assert_eq!(bits.peek() >> 56, 0xf0);
        assert_eq!(bits.next_restart(), Some(4));
        assert_eq!(bits.next_restart(), None);
    }
}

//! Memory for weights and maps: whole cache lines.

#[cfg(all(test, unix))]
pub(super) use super::guarded::Memory;

/// Numbers in a cache line.
#[cfg(not(all(test, unix)))]
const LINE: usize = 16;

/// A cache line of f32.
#[cfg(not(all(test, unix)))]
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Numbers that begin at a cache line and end with one.
#[cfg(not(all(test, unix)))]
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    lines: Vec<Line>,
}

#[cfg(not(all(test, unix)))]
impl Memory {
    /// Zeros, so many that whole lines are filled.
    pub(super) fn zeros(numbers: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); numbers.div_ceil(LINE)] }
    }

    pub(super) fn numbers(&self) -> &[f32] {
        // SAFETY: a line is 16 numbers without padding, and a vector of lines has them one after the other.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }

    pub(super) fn numbers_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `numbers`; every pattern of bits is a number.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE) }
    }
}

impl Memory {
    /// These, with nothing but zeros after them.
    pub(super) fn from_slice(numbers: &[f32]) -> Self {
        let mut memory = Self::zeros(numbers.len());
        memory.numbers_mut()[..numbers.len()].copy_from_slice(numbers);
        memory
    }

    pub(super) fn len(&self) -> usize {
        self.numbers().len()
    }
}

//! The kernels of one set of instructions.

use std::sync::OnceLock;

use crate::codes::{BLOCK_ROWS, Batch, Found, Line, Probe, TILE_PROBES, Tile};
use crate::instructions::{CPU_VARIABLE, Instructions};
use crate::jpeg::{self, Decoded, Reduction, Scan};
#[cfg(target_arch = "aarch64")]
use crate::neon;
use crate::portable;
#[cfg(target_arch = "x86_64")]
use crate::{avx2, avx512};

/// Kernels that give the same answers whatever their instructions. `unsafe` in their types stands for the
/// instructions, which the CPU must have.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    instructions: Instructions,
    squared_distance: unsafe fn(&[f32], &[f32]) -> f32,
    first_within: unsafe fn(&[Line], &Probe) -> Option<Found>,
    within: unsafe fn([&[Line]; 2], &Tile) -> [u32; TILE_PROBES],
    decode_jpeg: unsafe fn(&Scan, &[u8], Reduction, &mut [u8]) -> Decoded,
}

impl Kernels {
    /// Those of the fastest instructions that this CPU has, or of those that [`CPU_VARIABLE`] names. Chosen at the
    /// first call.
    pub fn chosen() -> Self {
        static CHOSEN: OnceLock<Kernels> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let forced = std::env::var(CPU_VARIABLE).ok();
            Self::of(Instructions::choose(forced.as_deref())).unwrap_or(Self::PORTABLE)
        })
    }

    /// Those of `instructions`, when this CPU has them.
    pub fn of(instructions: Instructions) -> Option<Self> {
        if !instructions.are_available() {
            return None;
        }
        match instructions {
            Instructions::Portable => Some(Self::PORTABLE),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => Some(Self {
                instructions,
                squared_distance: avx2::squared_distance,
                first_within: avx2::first_within,
                within: avx2::within,
                decode_jpeg: jpeg::decode_avx2,
            }),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 | Instructions::Amx => Some(Self {
                instructions,
                squared_distance: avx512::squared_distance,
                first_within: avx512::first_within,
                within: avx512::within,
                decode_jpeg: jpeg::decode_avx2,
            }),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx2 | Instructions::Avx512 | Instructions::Amx => None,
            // What is compiled for such a CPU uses NEON by itself.
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon if std::arch::is_aarch64_feature_detected!("dotprod") => Some(Self {
                instructions,
                first_within: neon::first_within_by_sdot,
                within: neon::within_by_sdot,
                ..Self::PORTABLE
            }),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon => {
                Some(Self { instructions, first_within: neon::first_within, within: neon::within, ..Self::PORTABLE })
            }
            #[cfg(not(target_arch = "aarch64"))]
            Instructions::Neon => None,
        }
    }

    const PORTABLE: Self = Self {
        instructions: Instructions::Portable,
        squared_distance: portable::squared_distance,
        first_within: portable::first_within,
        within: portable::within,
        decode_jpeg: jpeg::decode_portable,
    };

    /// What they are made of.
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// Whether reading codes first takes less time than reading embeddings alone. Portable code does not: it has no
    /// instruction for sums of products of bytes.
    pub fn are_fast_with_codes(&self) -> bool {
        self.instructions != Instructions::Portable
    }

    /// Sum of the squared differences of two vectors, the same to the last bit for all instructions: 16 sums side by
    /// side, added in their order, and then what is left over, one number after the other.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn squared_distance(&self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "numbers of two vectors");
        // SAFETY: `of` gives kernels only where the CPU has their instructions.
        unsafe { (self.squared_distance)(a, b) }
    }

    /// The first of the blocks at `blocks` with rows that may be within the reach of `probe`. See [`codes`](crate::codes) for the layout and the proof.
    ///
    /// # Panics
    /// When `blocks` is no whole number of blocks of the probe's dims.
    pub fn first_within(&self, blocks: &[Line], probe: &Probe) -> Option<Found> {
        assert!(blocks.len().is_multiple_of(probe.codes.len() + 2), "{} lines are no blocks", blocks.len());
        // SAFETY: `of` gives kernels only where the CPU has their instructions.
        unsafe { (self.first_within)(blocks, probe) }
    }

    /// The rows that may be within the reach of each of the probes, for one block or two: bit 0 for the first row of
    /// the first block, bit 16 for the first of the second. `rows` has a place for each probe.
    ///
    /// # Panics
    /// When `blocks` is not one block or two of the probes' dims, or `rows` has another length than the batch.
    pub fn within(&self, blocks: &[Line], batch: &Batch, rows: &mut [u32]) {
        assert_eq!(rows.len(), batch.len(), "places for the probes");
        let Some(first) = batch.tiles.first() else { return };
        let (one, two) = blocks.split_at(first.codes.len() + 2);
        let (pair, mask) = if two.is_empty() { ([one, one], (1 << BLOCK_ROWS) - 1) } else { ([one, two], u32::MAX) };
        assert_eq!(pair[1].len(), one.len(), "lines of the second block");
        for (tile, rows) in batch.tiles.iter().zip(rows.chunks_mut(TILE_PROBES)) {
            // SAFETY: `of` gives kernels only where the CPU has their instructions.
            let found = unsafe { (self.within)(pair, tile) };
            rows.iter_mut().zip(found).for_each(|(rows, found)| *rows = found & mask);
        }
    }

    /// Decodes `data`, the bytes behind the header of `scan`, as RGB rows of `width × height × 3` bytes, both sides
    /// [reduced](Reduction::reduced). What is damaged or missing becomes grey.
    ///
    /// # Panics
    /// When `rgb` has another length.
    pub fn decode_jpeg(&self, scan: &Scan, data: &[u8], reduction: Reduction, rgb: &mut [u8]) -> Decoded {
        // SAFETY: `of` gives kernels only where the CPU has their instructions.
        unsafe { (self.decode_jpeg)(scan, data, reduction, rgb) }
    }
}

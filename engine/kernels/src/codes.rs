//! Embeddings as codes of one byte a number, a quarter of their size, and a proof for most rows that they cannot be
//! among the nearest: a search reads the codes of all rows and the embeddings of a few.
//!
//! # Layout
//!
//! Rows lie in blocks of [`BLOCK_ROWS`], and a block in lines of 64 bytes ([`block_bytes`] in all):
//!
//! ```text
//! codes    a line for each four numbers: of each row in turn, code + 128 of the four as u8; 128 beyond the dims
//! bounds   a line: of each row in turn, u32: its scale as bfloat16 in the upper half, its error in the lower
//! norms    a line: of each row in turn, f32: its norm
//! ```
//!
//! Row `x` has the scale `s`, max |xᵢ| / 127 rounded up to a bfloat16; the codes `c`, xᵢ / s rounded to the nearest
//! whole number (in f32, half to even), −127 to 127; the error ε ≥ ‖x − s·c‖, rounded up to a bfloat16; and the norm
//! `m` = (X − ε²) − 2⁻²⁰·(X + ε²) with X = ‖s·c‖², rounded down to an f32. Rows with max |xᵢ| < 2⁻⁵⁰ have the scale
//! and the codes 0. Rows with max |xᵢ| > 2⁴⁰ have in addition the error 0 and the norm −∞: they are never excluded.
//! Places beyond the last row have zeros for scale, codes and error and the norm ∞: they are always excluded once
//! there is a limit.
//!
//! # Why no row is lost
//!
//! A search has a limit: the distance L of the worst row that is among the nearest so far. A row may be excluded when
//! the distance d̃ that the search would compute for it is above L. The probe `q` is coded in the same way: q̂ = t·p
//! with whole numbers p, φ ≥ ‖q − q̂‖; and x̂ = s·c.
//!
//! 1. The computed distance is nearly the true one, d = ‖q − x‖. [`Kernels::squared_distance`](crate::Kernels) sums
//!    in 16 lanes: no term passes through more than D/16 + 31 additions, a subtraction (which counts twice, being
//!    squared) and a multiplication; then comes a square root. With u = 2⁻²⁴ that is
//!    d̃ ≥ d·(1 − g) − 2⁻⁶⁰, g = (D/16 + 40)·u, where the last term covers underflow: at most D ≤ 2¹⁶ terms lose at most
//!    2⁻¹⁴⁹ each, and the root of that is less than 2⁻⁶⁰. Therefore d > τ = (L + 2⁻⁶⁰) / (1 − g) gives d̃ > L.
//! 2. By the triangle inequality d ≥ ‖q̂ − x̂‖ − φ − ε. With T = τ + φ, rounded up, d > τ follows from
//!    ‖q̂ − x̂‖ > T + ε, both sides of which are not negative; squared, with Q = ‖q̂‖²:
//!    (Q − T²) + (X − ε²) − 2·t·s·(p·c) − 2·T·ε > 0.
//! 3. The left side is computed in f32 as r = ((b + m) − (2t·s)·(p·c)) − 2T·ε. Whether or not multiplications are
//!    fused with the sums, no term is rounded more than five times after its value was stored (p·c is exact in i32; it
//!    is rounded to f32, times the product 2t·s, itself rounded; then come two sums). The error is at most
//!    5.1·u·(|Q − T²| + |X − ε²| + 2ts|p·c| + 2Tε), and by Cauchy-Schwarz and 2ab ≤ a² + b² that is at most
//!    10.2·u·(Q + T² + X + ε²). The stored norm `m` and b = (Q − T²) − 2⁻²⁰·(Q + T²) − 2⁻¹⁰⁰ are each lower by
//!    16·u = 2⁻²⁰ of their share of this sum: r > 0 proves the inequality of step 2. What underflow can add is below
//!    2⁻¹⁰⁰.
//! 4. Nothing overflows: all squares are at most 2¹⁰⁰. Larger rows have m = −∞ and larger probes or limits b = −∞,
//!    which makes r −∞ or NaN; and a row is excluded only when r > 0.
//!
//! The proof asks nothing of the codes: a poor choice of them costs time and never an answer.

/// Rows in a block.
pub const BLOCK_ROWS: usize = 16;
/// Bytes in a line: a cache line, and the widest register.
pub const LINE_BYTES: usize = 64;
/// Numbers of a row in a line of codes.
pub(crate) const GROUP: usize = LINE_BYTES / BLOCK_ROWS;
/// Probes that the kernel for many takes at once: with two blocks of rows, 16 sums stay in registers.
pub(crate) const TILE_PROBES: usize = 8;

/// A cache line of a block.
pub type Line = [u8; LINE_BYTES];

const LARGEST_CODE: f32 = 127.0;
/// What is added to a code, so that it is stored without a sign.
const CODE_OFFSET: u8 = 128;
/// Of the magnitudes: what the sums of step 3 may be wrong by.
const ROUNDING: f64 = 1.0 / (1u32 << 20) as f64;
/// Covers the rounding of sums in f64 of up to 65,536 squares.
const SUM_ROUNDING: f64 = 1.0 + 1.0 / (1u32 << 30) as f64;
const SMALLEST_CODED: f32 = 1.0 / (1u64 << 50) as f32;
const LARGEST_CODED: f32 = (1u64 << 40) as f32;
/// 2¹⁰⁰.
const LARGEST_SQUARE: f64 = (1u128 << 100) as f64;

/// Lines of a block of rows of `dims` numbers.
pub fn block_lines(dims: usize) -> usize {
    dims.div_ceil(GROUP) + 2
}

/// Bytes of a block of rows of `dims` numbers.
pub fn block_bytes(dims: usize) -> usize {
    block_lines(dims) * LINE_BYTES
}

/// Writes the block of up to [`BLOCK_ROWS`] rows, [`block_lines`] lines.
///
/// # Panics
/// When there are more rows, when a row's length is not `dims`, or when `block` has another length.
pub fn encode_block(rows: &[&[f32]], dims: usize, block: &mut [Line]) {
    assert!(rows.len() <= BLOCK_ROWS, "{} rows in a block", rows.len());
    assert_eq!(block.len(), block_lines(dims), "lines of a block");
    let Some((codes, [bounds, norms])) = block.split_last_chunk_mut::<2>() else { return };
    codes.fill([CODE_OFFSET; LINE_BYTES]);
    for place in 0..BLOCK_ROWS {
        let (bound, norm) = match rows.get(place) {
            Some(row) => {
                assert_eq!(row.len(), dims, "numbers of row {place}");
                encode_row(row, |number, code| {
                    codes[number / GROUP][place * GROUP + number % GROUP] = code.wrapping_add(CODE_OFFSET as i8) as u8;
                })
            }
            None => (0, f32::INFINITY),
        };
        bounds.as_chunks_mut().0[place] = bound.to_le_bytes();
        norms.as_chunks_mut().0[place] = norm.to_le_bytes();
    }
}

/// Scale and error as one number, and the norm.
fn encode_row(row: &[f32], mut write: impl FnMut(usize, i8)) -> (u32, f32) {
    let largest = largest(row);
    // Nor is NaN, which no writer lets through.
    if !(0.0..=LARGEST_CODED).contains(&largest) {
        return (0, f32::NEG_INFINITY);
    }
    let scale = match largest < SMALLEST_CODED {
        true => 0.0,
        false => bfloat16_up(f64::from(largest) / f64::from(LARGEST_CODE)),
    };
    let Coded { square, error } = encode(row, scale, &mut write);
    let error = bfloat16_up(error);
    let error_square = f64::from(error) * f64::from(error);
    let norm = down((square - error_square) - ROUNDING * (square + error_square));
    (scale.to_bits() | error.to_bits() >> 16, norm)
}

struct Coded {
    /// ‖s·c‖², exact.
    square: f64,
    /// At least ‖x − s·c‖.
    error: f64,
}

fn encode(values: &[f32], scale: f32, write: &mut impl FnMut(usize, i8)) -> Coded {
    let (mut code_square, mut error_square) = (0i64, 0.0);
    for (number, value) in values.iter().enumerate() {
        let code = if scale > 0.0 { round(value / scale) } else { 0.0 };
        let error = f64::from(*value) - f64::from(scale) * f64::from(code);
        error_square += error * error;
        code_square += (code * code) as i64;
        write(number, code as i8);
    }
    let scale = f64::from(scale);
    Coded { square: scale * scale * code_square as f64, error: error_square.sqrt() * SUM_ROUNDING }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| if value.abs() <= largest { largest } else { value.abs() })
}

/// To the nearest whole number, half to even, for at most 127 and a little. `f32::round_ties_even` calls a function
/// where the CPU has no instruction.
fn round(value: f32) -> f32 {
    // In this binade the numbers are 1 apart.
    const SHIFT: f32 = (3u32 << 22) as f32;
    ((value + SHIFT) - SHIFT).clamp(-LARGEST_CODE, LARGEST_CODE)
}

fn up(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) < value { nearest.next_up() } else { nearest }
}

fn down(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) > value { nearest.next_down() } else { nearest }
}

/// The least number that is not less than `value`, not negative, and has no bits in the lower half.
fn bfloat16_up(value: f64) -> f32 {
    f32::from_bits(up(value).to_bits().saturating_add(0xffff) & 0xffff_0000)
}

/// A probe as codes, and the rows it looks for.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Four codes each, the first in the lowest byte.
    pub(crate) codes: Vec<i32>,
    /// −128·Σp, which takes the rows' offset out of the products' sum.
    pub(crate) offset: i32,
    /// 2t.
    pub(crate) step: f32,
    pub(crate) reach: Reach,
    dims: usize,
    /// Q of the proof.
    square: f64,
    /// φ of the proof.
    error: f64,
}

/// What a limit leaves within reach: b and 2T of the proof.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) base: f32,
    pub(crate) twice_limit: f32,
}

impl Reach {
    /// Every row.
    const UNLIMITED: Self = Self { base: f32::NEG_INFINITY, twice_limit: 0.0 };
}

impl Probe {
    /// Codes a probe of finite numbers. All rows are within its reach until there is a [limit](Self::set_limit).
    pub fn new(values: &[f32]) -> Self {
        let mut bytes = vec![[0u8; GROUP]; values.len().div_ceil(GROUP)];
        let mut sum = 0i32;
        let largest = largest(values);
        let coded = (SMALLEST_CODED..=LARGEST_CODED).contains(&largest);
        let scale = if coded { up(f64::from(largest) / f64::from(LARGEST_CODE)) } else { 0.0 };
        let Coded { square, error } = encode(values, scale, &mut |number, code| {
            bytes[number / GROUP][number % GROUP] = code as u8;
            sum += i32::from(code);
        });
        Self {
            codes: bytes.into_iter().map(i32::from_le_bytes).collect(),
            offset: -i32::from(CODE_OFFSET) * sum,
            step: 2.0 * scale,
            reach: Reach::UNLIMITED,
            dims: values.len(),
            square,
            error,
        }
    }

    /// From now on looks for rows whose computed distance may be `limit` or less.
    pub fn set_limit(&mut self, limit: f32) {
        let rounding = (self.dims as f64 / 16.0 + 40.0) / (1u32 << 24) as f64;
        let underflow = 1.0 / (1u64 << 60) as f64;
        let limit = up((f64::from(limit) + underflow) / (1.0 - rounding) + self.error);
        let limit_square = f64::from(limit) * f64::from(limit);
        let (difference, sum) = (self.square - limit_square, self.square + limit_square);
        // Also when the sum is NaN.
        self.reach = if sum <= LARGEST_SQUARE {
            let base = down(difference - ROUNDING * sum - 1.0 / LARGEST_SQUARE);
            Reach { base, twice_limit: 2.0 * limit }
        } else {
            Reach::UNLIMITED
        };
    }
}

/// Rows of a block that may be within the reach of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The block's place among those that were gone through.
    pub block: usize,
    /// Bit 0 for the first row of the block.
    pub rows: u16,
}

/// Probes side by side, for the kernel that compares many with a row while it is at hand.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) tiles: Vec<Tile>,
    probes: Vec<Probe>,
}

/// Up to eight probes. Places without one are never read.
#[derive(Debug, Clone)]
pub(crate) struct Tile {
    /// The codes of each probe for the same four numbers.
    pub(crate) codes: Vec<[i32; TILE_PROBES]>,
    pub(crate) offsets: [i32; TILE_PROBES],
    pub(crate) steps: [f32; TILE_PROBES],
    pub(crate) reaches: [Reach; TILE_PROBES],
}

impl Batch {
    /// # Panics
    /// When the probes do not all have as many numbers.
    pub fn new(probes: Vec<Probe>) -> Self {
        let dims = probes.first().map_or(0, |probe| probe.dims);
        assert!(probes.iter().all(|probe| probe.dims == dims), "probes of different lengths");
        let tile = |probes: &[Probe]| {
            let mut tile = Tile {
                codes: vec![[0; TILE_PROBES]; dims.div_ceil(GROUP)],
                offsets: [0; TILE_PROBES],
                steps: [0.0; TILE_PROBES],
                reaches: [Reach::UNLIMITED; TILE_PROBES],
            };
            for (place, probe) in probes.iter().enumerate() {
                tile.codes.iter_mut().zip(&probe.codes).for_each(|(codes, code)| codes[place] = *code);
                tile.offsets[place] = probe.offset;
                tile.steps[place] = probe.step;
                tile.reaches[place] = probe.reach;
            }
            tile
        };
        Self { tiles: probes.chunks(TILE_PROBES).map(tile).collect(), probes }
    }

    /// Number of probes.
    pub fn len(&self) -> usize {
        self.probes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.probes.is_empty()
    }

    /// As [`Probe::set_limit`], of the probe at `place`.
    ///
    /// # Panics
    /// When there is none.
    pub fn set_limit(&mut self, place: usize, limit: f32) {
        let probe = &mut self.probes[place];
        probe.set_limit(limit);
        self.tiles[place / TILE_PROBES].reaches[place % TILE_PROBES] = probe.reach;
    }
}

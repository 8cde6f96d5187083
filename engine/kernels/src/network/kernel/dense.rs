//! Convolutions with any window over maps in blocks. Where the pixels of a tile do not look at pixels that are together,
//! all within the map, what they look at is gathered first, so that one innermost loop does them all.

use std::ops::Range;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::amx::fixed_point::FixedPoint;
use super::depthwise::within;
#[cfg(target_arch = "x86_64")]
use super::f16;
use super::finish::{Bend, per_channel};
use super::tile::{Finish, Sum, Tiles, WIDE_PIXELS, blocks_at_once, has_wide_tile, sum, with_tile};
use super::weights::{are_halves, halved, of_halved, packed};
use super::winograd::{Square, Winograd};
use super::{amx, blocked_numbers, lanes};
use crate::Instructions;
use crate::network::Precision;
use crate::network::bands::Band;
use crate::network::fuse::of;
use crate::network::graph::{Padding, Window};
#[cfg(target_arch = "x86_64")]
use crate::network::lanes::F16;
use crate::network::lanes::{Lanes, Pieces, Products, Single, with_lanes};
use crate::network::memory::Memory;
use crate::network::shape::Shape;

/// Weights from which on those of 16 bits are kept as such. Fewer are read from the second level of the cache, which
/// gives f32 as fast as they are used. Tests have few.
const MANY_WEIGHTS: usize = if cfg!(test) { 1 << 8 } else { 1 << 16 };

/// Gathered inputs that stay in the second level of the cache beside weights.
const GATHERED_NUMBERS: usize = 48 << 10;

/// A convolution with its weights packed, one group.
#[derive(Debug, Clone)]
pub(in crate::network) struct Dense {
    pub(in crate::network) inputs: usize,
    pub(in crate::network) outputs: usize,
    pub(in crate::network) window: Window,
    /// In which pieces it takes its inputs.
    pub(in crate::network) takes: Pieces,
    /// Whether its map is in such pieces already.
    pub(in crate::network) is_given: bool,
    /// In which pieces it gives its map: f32, or of 16 bits where it takes bytes.
    pub(in crate::network) gives: Pieces,
    /// [`packed`], or for tiles [`amx::packed`], which [`give_f16`](Self::give_f16) orders anew.
    pub(super) weights: Memory,
    /// Whether they are [`halved`].
    pub(super) has_half_weights: bool,
    /// Whether they are multiplied in tiles as whole numbers where that pays.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub(super) has_fixed_point: bool,
    /// In blocks: what sums begin with.
    pub(super) starts: Memory,
    /// In blocks.
    pub(super) bias: Memory,
    /// In blocks: what sums of products of bytes are multiplied by.
    pub(super) scales: Memory,
    pub(in crate::network) bend: Bend,
    /// The least and the greatest sum of products of bytes that each output can have; none for other numbers.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    reach: Vec<[i32; 2]>,
    /// How sums of tiles become such numbers, where it gives those of 16 bits.
    #[cfg(target_arch = "x86_64")]
    pub(super) from_tiles: Option<f16::FromTiles>,
    /// `[outputs, inputs, 3, 3]`, where they may be needed for what follows and are not packed as f32.
    plain_weights: Vec<f32>,
    /// Made when a size is met for which it pays, with squares of 4×4 and of 2×2.
    winograd: [OnceLock<Winograd>; 2],
    /// Likewise.
    #[cfg(target_arch = "x86_64")]
    fixed_point: OnceLock<FixedPoint>,
}

/// Products of bytes whose sum is within an i32, with what the byte of zero adds taken off.
pub(in crate::network) const MOST_BYTES: usize = (i32::MAX / (255 * 127)) as usize;

/// How a convolution looks at a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In tiles of AMX.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Tiles,
    /// In tiles, as whole numbers of 16 bits.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    FixedPoint,
    /// A pixel at itself: a tile is any pixels one after the other.
    Flat,
    /// A tile is part of a row.
    Rows,
    /// At copies.
    Gathered,
    /// At squares.
    Winograd(Square),
}

/// Maps of a run.
pub(in crate::network) struct Maps<'a> {
    /// The input.
    pub(in crate::network) x: &'a [f32],
    /// Channels, height and width of the input.
    pub(in crate::network) shape: Shape,
    /// What is added to the output: its numbers and channels, whole blocks.
    pub(in crate::network) residual: Option<(&'a [f32], usize)>,
    /// The output.
    pub(in crate::network) y: &'a mut [f32],
    /// Rows and columns of the output.
    pub(in crate::network) size: [usize; 2],
    /// Which rows of both are there, and which are made. The residual is always there as a whole.
    pub(in crate::network) band: Band,
    /// As many numbers as the layer asks for.
    pub(in crate::network) scratch: &'a mut [f32],
}

impl Maps<'_> {
    /// Checks that the rows are among those of the maps, and that input and output have as many numbers as their rows
    /// say, for `outputs` channels; `pieces`: channels that a number of the input and of the output stands for.
    pub(super) fn check(&self, lanes: usize, outputs: usize, pieces: [usize; 2]) {
        let [channels, _, width] = self.shape;
        assert!(self.x.len() >= blocked_numbers(lanes, [channels, self.band.x_room, width]) / pieces[0]);
        self.check_output(lanes, outputs, pieces[1]);
    }

    /// [`check`](Self::check) without the input.
    pub(super) fn check_output(&self, lanes: usize, outputs: usize, pieces: usize) {
        let [rows, columns] = self.size;
        let Band { y_room, rows: made, .. } = &self.band;
        assert!(made.start <= made.end && made.end <= rows);
        assert!(self.band.is_together());
        assert!(self.y.len() >= blocked_numbers(lanes, [outputs, *y_room, columns]) / pieces);
        if let Some((residual, channels)) = self.residual {
            assert!(channels <= outputs.next_multiple_of(lanes));
            assert!(residual.len() >= blocked_numbers(lanes, [channels, rows, columns]));
        }
    }

    /// Whether all rows are there and are made.
    pub(super) fn are_whole(&self) -> bool {
        self.band == Band::whole(self.shape[1], self.size[0])
    }

    /// Whether all rows are there that windows see when those rows are made.
    pub(super) fn have_rows_of(&self, window: &Window) -> bool {
        let Band { x_rows, x_room, rows, .. } = &self.band;
        let read = window.rows_read(rows.clone(), self.shape[1]);
        read.is_empty() || read.len() <= *x_room && x_rows.start <= read.start && read.end <= x_rows.end
    }
}

impl Dense {
    /// From weights `[outputs, inputs, rows, columns]` and a bias of as many numbers as outputs, or none; with tiles and
    /// weights of 16 bits, inputs [may be rounded](super::super::layer::Numerics::may_round).
    pub(in crate::network) fn new(
        (instructions, takes, may_round): (Instructions, Pieces, bool),
        [inputs, outputs]: [usize; 2],
        window: Window,
        weights: &[f32],
        bias: &[f32],
        bend: Bend,
    ) -> Self {
        assert!(takes.precision.is_available(instructions));
        assert!(!takes.are_for_tiles() || instructions == Instructions::Amx);
        assert!(takes.precision != Precision::Int8 || inputs * window.kernel[0] * window.kernel[1] <= MOST_BYTES);
        let lanes = lanes(instructions);
        let taps = window.kernel[0] * window.kernel[1];
        assert_eq!(weights.len(), outputs * inputs * taps, "weights");
        let of_output = |output: usize| &weights[output * inputs * taps..][..inputs * taps];
        let is_bytes = takes.precision == Precision::Int8;
        let per_weight = |output: usize| {
            let greatest = of_output(output).iter().fold(0.0_f32, |greatest, weight| greatest.max(weight.abs()));
            if greatest > 0.0 { 127.0 / greatest } else { 1.0 }
        };
        // Steps of bytes; other numbers have none.
        let per_weight: Vec<f32> = (0..outputs).filter(|_| is_bytes).map(per_weight).collect();
        let weight = |output: usize, input: usize, tap: usize| {
            let weight = of_output(output)[input * taps + tap];
            if is_bytes { (weight * per_weight[output]).round() } else { weight }
        };
        let packed = match takes.are_for_tiles() {
            true => amx::packed([inputs, outputs], taps, takes, weight),
            false => packed([inputs, outputs], taps, lanes, takes, weight),
        };
        let halves = if reads_half_weights(instructions, takes, packed.len()) { halved(&packed) } else { None };
        let has_half_weights = halves.is_some();
        let has_fixed_point = may_round
            && instructions == Instructions::Amx
            && takes == Pieces::F32
            && (has_half_weights || are_halves(weights))
            && amx::can_be_fixed(&window, [inputs, outputs], weights);
        let bias: Vec<f32> = (0..outputs).map(|output| of(bias, output)).collect();
        let (mut starts, mut scales) = (bias.clone(), vec![1.0; outputs]);
        let mut reach = Vec::new();
        if is_bytes {
            for output in 0..outputs {
                let places = (0..inputs).flat_map(|input| (0..taps).map(move |tap| (input, tap)));
                let weights = places.map(|(input, tap)| weight(output, input, tap) as i32);
                let add = |[below, above]: [i32; 2], weight: i32| [below + weight.min(0), above + weight.max(0)];
                let [below, above] = weights.fold([0, 0], add);
                // All inputs have the byte of zero added, also those beside the map.
                starts[output] = f32::from_bits((-i32::from(takes.steps.zero) * (below + above)).cast_unsigned());
                scales[output] = 1.0 / (per_weight[output] * takes.steps.per_unit);
                reach.push([below, above].map(|sum| sum * i32::from(u8::MAX)));
            }
        }
        let [starts, bias, scales] = [starts, bias, scales].map(|numbers| per_channel(&numbers, outputs, lanes));
        assert!(bend.fits(outputs.div_ceil(lanes), lanes), "slopes");
        let is_needed = Winograd::can(&window) && takes.precision != Precision::F32 && !takes.are_for_tiles();
        let plain_weights = if is_needed { weights.to_vec() } else { Vec::new() };
        let winograd = [const { OnceLock::new() }; 2];
        let is_given = false;
        let weights = halves.unwrap_or(packed);
        Self {
            inputs,
            outputs,
            window,
            takes,
            is_given,
            gives: Pieces::F32,
            weights,
            has_half_weights,
            has_fixed_point,
            starts,
            bias,
            scales,
            bend,
            reach,
            #[cfg(target_arch = "x86_64")]
            from_tiles: None,
            plain_weights,
            winograd,
            #[cfg(target_arch = "x86_64")]
            fixed_point: OnceLock::new(),
        }
    }

    /// In what each channel is counted, if this gives numbers of 16 bits; `None` where it cannot.
    #[cfg(target_arch = "x86_64")]
    pub(in crate::network) fn units(&self) -> Option<Vec<f16::Unit>> {
        if self.reach.is_empty() || !self.is_pointwise() || !self.outputs.is_multiple_of(f16::TOGETHER) {
            return None;
        }
        let unit = |output: usize| {
            let [start, scale, bias] =
                [&self.starts, &self.scales, &self.bias].map(|numbers| numbers.numbers()[output]);
            f16::Unit::new(self.reach[output], start.to_bits().cast_signed(), [scale, bias], &self.bend, output)
        };
        (0..self.outputs).map(unit).collect()
    }

    /// Gives numbers of 16 bits from now on, in its [`units`](Self::units).
    #[cfg(target_arch = "x86_64")]
    pub(in crate::network) fn give_f16(&mut self, units: &[f16::Unit]) {
        self.gives = Pieces::F16;
        if self.takes.are_for_tiles() {
            let [starts, bias] = [&self.starts, &self.bias].map(|numbers| numbers.numbers());
            self.from_tiles = Some(f16::FromTiles::new(units, starts, bias, &self.bend));
            let of_block = self.weights.len() / (self.outputs / amx::LANES);
            f16::order_for_tiles(&mut self.weights, of_block);
            return;
        }
        if let Bend::Bounds(low, high) = &mut self.bend {
            // All have the same then.
            *low *= units[0].per_one;
            *high *= units[0].per_one;
        }
        for (output, unit) in units.iter().enumerate() {
            self.scales.numbers_mut()[output] *= unit.per_one;
            self.bias.numbers_mut()[output] *= unit.per_one;
        }
    }

    /// Whether these would be kept in 16 bits, by instructions that read such.
    pub(in crate::network) fn keeps_half_weights(weights: &[f32]) -> bool {
        weights.len() >= MANY_WEIGHTS && are_halves(weights)
    }

    /// What is added to sums of tiles, where nothing else happens to them.
    pub(in crate::network) fn offset_of_tiles(&self) -> Option<&[f32]> {
        let has_no_other = self.takes.precision != Precision::Int8 && matches!(self.bend, Bend::None);
        (self.takes.are_for_tiles() && has_no_other).then_some(self.starts.numbers())
    }

    /// Leaves that to another.
    pub(in crate::network) fn leave_offset(&mut self) {
        self.starts.numbers_mut().fill(0.0);
    }

    pub(in crate::network) fn weight_bytes(&self) -> usize {
        size_of_val(self.weights.numbers())
            + size_of_val(&*self.plain_weights)
            + self.winograd.iter().filter_map(OnceLock::get).map(Winograd::weight_bytes).sum::<usize>()
            + self.fixed_point_bytes()
    }

    #[cfg(target_arch = "x86_64")]
    fn fixed_point_bytes(&self) -> usize {
        self.fixed_point.get().map_or(0, FixedPoint::weight_bytes)
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn fixed_point_bytes(&self) -> usize {
        0
    }

    /// Pieces that a pixel has in a block.
    fn pieces(&self, lanes: usize) -> usize {
        lanes / self.takes.channels()
    }

    /// How it looks at a map, for outputs of so many rows and columns.
    fn way(&self, instructions: Instructions, size: [usize; 2]) -> Way {
        if self.takes.are_for_tiles() {
            return Way::Tiles;
        }
        if self.is_given {
            return Way::Flat;
        }
        #[cfg(target_arch = "x86_64")]
        if amx::fixed_point::pays(self, size) {
            return Way::FixedPoint;
        }
        let Window { kernel, stride, padding, .. } = self.window;
        let channels = [self.inputs, self.outputs];
        if Winograd::can(&self.window)
            && let Some(square) = Winograd::pays(channels, lanes(instructions), size, self.takes.channels())
        {
            return Way::Winograd(square);
        }
        if stride != [1; 2] || padding != Padding::default() || self.takes.precision != Precision::F32 {
            return Way::Gathered;
        }
        if kernel == [1; 2] {
            return Way::Flat;
        }
        // A tile of half the pixels takes no longer for each.
        if size[1] >= most_pixels(instructions) / 2 { Way::Rows } else { Way::Gathered }
    }

    /// The rows and columns of the window that are ever on the map, where it may be smaller than the window.
    pub(super) fn used(&self, [_, height, width]: Shape, [rows, columns]: [usize; 2]) -> [Range<usize>; 2] {
        let Window { kernel, stride, dilation, padding, .. } = self.window;
        if self.takes.precision == Precision::Int8 {
            // What the byte of zero adds is taken off for all weights.
            return [0..kernel[0], 0..kernel[1]];
        }
        // The last window begins furthest down, the first ends furthest up.
        let along = |axis: usize, count: usize, before: usize, side: usize| {
            let within = |begin| within(begin, kernel[axis], dilation[axis], before, side);
            let (start, end) = (within((count - 1) * stride[axis]).start, within(0).end);
            start..end.max(start)
        };
        [along(0, rows, padding.top, height), along(1, columns, padding.left, width)]
    }

    /// Pieces gathered for a pixel.
    fn gathered_of_pixel(&self, lanes: usize) -> usize {
        self.inputs.div_ceil(lanes) * self.pieces(lanes) * self.window.kernel[0] * self.window.kernel[1]
    }

    /// Tiles that are gathered at once.
    fn tiles_at_once(&self, lanes: usize, most_pixels: usize) -> usize {
        (GATHERED_NUMBERS / (self.gathered_of_pixel(lanes) * most_pixels)).max(1)
    }

    /// Numbers of scratch for a run on a map of so many columns, with outputs of this size.
    pub(in crate::network) fn scratch_numbers(
        &self,
        instructions: Instructions,
        width: usize,
        [rows, columns]: [usize; 2],
    ) -> usize {
        match self.way(instructions, [rows, columns]) {
            #[cfg(target_arch = "x86_64")]
            Way::Tiles => return amx::scratch_numbers(self, width, [rows, columns]),
            #[cfg(target_arch = "x86_64")]
            Way::FixedPoint => return amx::fixed_point::scratch_numbers(self, width, [rows, columns]),
            #[cfg(not(target_arch = "x86_64"))]
            Way::Tiles | Way::FixedPoint => unreachable!("there are none in {width} columns"),
            Way::Flat | Way::Rows => return 0,
            Way::Winograd(square) => {
                let channels = [self.inputs, self.outputs];
                return Winograd::scratch_numbers(square, channels, lanes(instructions), [rows, columns]);
            }
            Way::Gathered => {}
        }
        let lanes = lanes(instructions);
        let (most, all) = (most_pixels(instructions), rows * columns);
        let pixels = (self.tiles_at_once(lanes, most) * most).min(all.next_multiple_of(most));
        // A band may have as many as a wide tile, or the map have them and its bands fewer.
        pixels.max(WIDE_PIXELS.min(all)) * self.gathered_of_pixel(lanes)
    }

    /// What [`run`](Self::run) needs for outputs of this size beside scratch, ahead of it.
    pub(in crate::network) fn prepare(&self, instructions: Instructions, size: [usize; 2]) {
        match self.way(instructions, size) {
            Way::Winograd(square) => _ = self.winograd(square, lanes(instructions)),
            #[cfg(target_arch = "x86_64")]
            Way::FixedPoint => _ = self.fixed_point(),
            _ => {}
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn fixed_point(&self) -> &FixedPoint {
        self.fixed_point.get_or_init(|| FixedPoint::new(self))
    }

    fn winograd(&self, square: Square, lanes: usize) -> &Winograd {
        self.winograd[usize::from(square == Square::Two)].get_or_init(|| self.make_winograd(square, lanes))
    }

    fn make_winograd(&self, square: Square, lanes: usize) -> Winograd {
        let weight = |output: usize, input: usize, tap: usize| match self.takes.precision {
            Precision::F32 => {
                let (block, lane) = (output / lanes, output % lanes);
                let place = ((block * 9 + tap) * self.inputs + input) * lanes + lane;
                let weights = self.weights.numbers();
                if self.has_half_weights { of_halved(weights, place) } else { weights[place] }
            }
            Precision::Bf16 | Precision::Int8 => self.plain_weights[(output * self.inputs + input) * 9 + tap],
        };
        Winograd::new(square, [self.inputs, self.outputs], lanes, self.window.padding, weight)
    }

    /// Name of the way that is gone for outputs of this size.
    pub(in crate::network) fn way_name(&self, instructions: Instructions, size: [usize; 2]) -> String {
        let precision = self.takes.precision;
        match self.way(instructions, size) {
            Way::Winograd(Square::Four) => "winograd".into(),
            Way::Winograd(Square::Two) => "winograd of 2×2".into(),
            Way::FixedPoint => "tiles fixed point".into(),
            Way::Tiles => format!("tiles {}", if precision == Precision::F32 { "bf16×2" } else { precision.name() }),
            _ if precision != Precision::F32 => format!("dense {}", precision.name()),
            Way::Flat | Way::Rows => "dense".into(),
            Way::Gathered => "gathered".into(),
        }
    }

    /// Whether it could take a map in pieces.
    pub(in crate::network) fn is_pointwise(&self) -> bool {
        let Window { kernel, stride, padding, .. } = self.window;
        kernel == [1; 2] && stride == [1; 2] && padding == Padding::default()
    }

    /// Whether it can make some rows alone.
    pub(in crate::network) fn has_bands(&self) -> bool {
        self.is_pointwise() && !self.has_odd_inputs()
    }

    /// Whether a piece has a channel after the last, whose number is left open.
    fn has_odd_inputs(&self) -> bool {
        self.takes.precision == Precision::Bf16 && !self.takes.are_for_tiles() && !self.inputs.is_multiple_of(2)
    }

    /// # Panics
    /// When the maps are shorter than their shapes say, or other than the convolution reads and gives.
    pub(in crate::network) fn run(&self, instructions: Instructions, maps: &mut Maps<'_>) {
        assert!(instructions.are_available());
        let lanes = lanes(instructions);
        let [channels, height, width] = maps.shape;
        assert_eq!(channels, self.inputs);
        assert_eq!(self.window.count([height, width]), Ok(maps.size));
        let pieces = if self.is_given { self.takes.channels() } else { 1 };
        maps.check(lanes, self.outputs, [pieces, self.gives.channels()]);
        assert!(maps.are_whole() || self.has_bands() && maps.have_rows_of(&self.window) && maps.band.is_flat());
        assert!(maps.scratch.len() >= self.scratch_numbers(instructions, width, maps.size));
        #[cfg(target_arch = "x86_64")]
        assert!(self.gives != Pieces::F16 || F16::are_available(instructions));
        let way = self.way(instructions, maps.size);
        if let Way::Winograd(square) = way {
            let winograd = self.winograd(square, lanes);
            // SAFETY: the CPU has the instructions, and maps and scratch are as long as their shapes say.
            unsafe { winograd.run(instructions, self.bias.numbers(), &self.bend, maps) };
            return;
        }
        // SAFETY: the CPU has the instructions, and maps and scratch are as long as their shapes say.
        unsafe {
            match self.takes.precision {
                #[cfg(target_arch = "x86_64")]
                _ if way == Way::Tiles => amx::run(self, maps),
                #[cfg(target_arch = "x86_64")]
                _ if way == Way::FixedPoint => amx::fixed_point::run(self, self.fixed_point(), maps),
                #[cfg(target_arch = "x86_64")]
                Precision::F32 if self.has_half_weights => dense_half_weights(instructions, self, maps),
                Precision::F32 => dense(instructions, instructions, self, maps),
                #[cfg(target_arch = "x86_64")]
                Precision::Bf16 => dense_bf16(instructions, self, maps),
                #[cfg(target_arch = "x86_64")]
                Precision::Int8 if self.gives == Pieces::F16 => dense_int8_to_f16(instructions, self, maps),
                #[cfg(target_arch = "x86_64")]
                Precision::Int8 => dense_int8(instructions, self, maps),
                #[cfg(not(target_arch = "x86_64"))]
                Precision::Bf16 | Precision::Int8 => unreachable!("they are available nowhere"),
            }
        };
    }
}

/// Whether weights are kept in 16 bits, if they can be.
fn reads_half_weights(instructions: Instructions, takes: Pieces, weights: usize) -> bool {
    matches!(instructions, Instructions::Avx512 | Instructions::Amx) && takes == Pieces::F32 && weights >= MANY_WEIGHTS
}

/// Pixels of the largest tile.
pub(super) fn most_pixels(instructions: Instructions) -> usize {
    most_together(instructions, 0)
}

/// Pixels of the largest tile for a map of so many.
fn most_together(instructions: Instructions, pixels: usize) -> usize {
    #[cfg(target_arch = "aarch64")]
    use crate::network::lanes::Neon;
    use crate::network::lanes::Portable;
    #[cfg(target_arch = "x86_64")]
    use crate::network::lanes::{Avx2, Avx512};
    match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 | Instructions::Amx => most_of_lanes::<Avx512>(pixels),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => most_of_lanes::<Avx2>(pixels),
        #[cfg(target_arch = "aarch64")]
        Instructions::Neon => most_of_lanes::<Neon>(pixels),
        _ => most_of_lanes::<Portable>(pixels),
    }
}

fn most_of_lanes<L: Lanes>(pixels: usize) -> usize {
    if pixels == WIDE_PIXELS && has_wide_tile::<L>() { WIDE_PIXELS } else { L::PIXELS }
}

with_lanes! {
    /// # Safety
    /// The CPU has the instructions; the lengths are those that [`Dense::run`] checks.
    dense = run_dense_single(instructions: Instructions, layer: &Dense, maps: &mut Maps<'_>)
}

#[inline(always)]
unsafe fn run_dense_single<L: Lanes>(instructions: Instructions, layer: &Dense, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word.
    unsafe { run_dense::<Single<L>>(instructions, layer, maps) }
}

/// # Safety
/// As `dense`, and AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
unsafe fn dense_half_weights(instructions: Instructions, layer: &Dense, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word; the instructions are enabled.
    unsafe { run_dense::<crate::network::lanes::HalfWeights>(instructions, layer, maps) }
}

/// # Safety
/// As `dense`, and AVX-512 BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
unsafe fn dense_bf16(instructions: Instructions, layer: &Dense, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word; the instructions are enabled.
    unsafe { run_dense::<crate::network::lanes::Bf16>(instructions, layer, maps) }
}

/// # Safety
/// As `dense`, and AVX-512 VNNI.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")]
unsafe fn dense_int8(instructions: Instructions, layer: &Dense, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word; the instructions are enabled.
    unsafe { run_dense::<crate::network::lanes::Int8>(instructions, layer, maps) }
}

/// # Safety
/// As `dense_int8`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")]
unsafe fn dense_int8_to_f16(instructions: Instructions, layer: &Dense, maps: &mut Maps<'_>) {
    // SAFETY: the caller's word; the instructions are enabled.
    unsafe { run_dense::<crate::network::lanes::Int8ToF16>(instructions, layer, maps) }
}

#[inline(always)]
unsafe fn run_dense<T: Products>(instructions: Instructions, layer: &Dense, maps: &mut Maps<'_>) {
    let columns = maps.size[1];
    let Band { x_room, y_room, rows, .. } = &maps.band;
    let pixels = rows.len() * columns;
    // Of a block in memory.
    let [map_pixels, y_pixels] = [x_room * maps.shape[2], y_room * columns];
    let residual_pixels = maps.size[0] * columns;
    // Where a band begins; it is of a convolution that looks at a pixel at itself.
    let x_first = maps.band.x_place(rows.start) * maps.shape[2];
    let (y_first, residual_first) = (maps.band.y_place(rows.start) * columns, rows.start * columns);
    let lanes = const { T::Lanes::LANES };
    let piece_channels = const { T::CHANNELS };
    let pixel_pieces = lanes / piece_channels;
    let way = layer.way(instructions, maps.size);
    let most = most_together(instructions, pixels);
    let tiles = match way {
        Way::Flat | Way::Gathered | Way::Winograd(_) | Way::Tiles | Way::FixedPoint => Tiles::new(1, pixels, most),
        Way::Rows => Tiles::new(maps.size[0], maps.size[1], T::Lanes::PIXELS),
    };
    let at_once = layer.tiles_at_once(lanes, most);
    let gathered_of_pixel = layer.gathered_of_pixel(lanes);
    let output_blocks = layer.outputs.div_ceil(lanes);
    let residual_blocks = maps.residual.map_or(0, |(_, channels)| channels / lanes);
    let taps = layer.window.kernel[0] * layer.window.kernel[1];
    let block_weights = taps * layer.inputs.div_ceil(piece_channels) * T::WEIGHTS;
    let blocks = layer.inputs.div_ceil(lanes);
    let used = layer.used(maps.shape, maps.size);
    let from = GatheredFrom { x: maps.x, shape: maps.shape, columns, map_pixels, first: x_first };
    for first in (0..tiles.count).step_by(at_once) {
        let chunk = first..tiles.count.min(first + at_once);
        if way == Way::Gathered {
            for tile in chunk.clone() {
                let (pixel, size) = tiles.get(tile);
                let place = (tile - first) * most * gathered_of_pixel;
                let gathered = &mut maps.scratch[place..][..size * gathered_of_pixel];
                // SAFETY: the CPU has the instructions.
                unsafe { gather::<T>(layer, &from, &used, pixel, size, gathered) };
            }
        }
        let mut block = 0;
        while block < output_blocks {
            let at_once = blocks_at_once::<T::Lanes>(tiles.largest(), output_blocks - block);
            for tile in chunk.clone() {
                let (pixel, size) = tiles.get(tile);
                // SAFETY: the offsets stay within what `Dense::run` checked: `x`, `y` and the residual have `map_pixels`,
                // `y_pixels` and `residual_pixels` pixels a block, of which `pixel..pixel + size` after the first of the
                // band are read or written; a window without padding stays on the map; what was gathered lies
                // `tile - first` whole tiles into the scratch. The weights are those of the blocks from `block` on, of
                // which at least `at_once` are left.
                unsafe {
                    let map_step = map_pixels * pixel_pieces;
                    let Window { kernel, dilation, .. } = layer.window;
                    let steps = [dilation[0] * maps.shape[2] * lanes, dilation[1] * lanes];
                    let (x, window, window_steps, block_step) = match way {
                        Way::Flat => (maps.x.as_ptr().add((x_first + pixel) * pixel_pieces), [1; 2], [0; 2], map_step),
                        Way::Rows => {
                            let (row, column) = (pixel / maps.size[1], pixel % maps.size[1]);
                            let pixel = row * maps.shape[2] + column;
                            (maps.x.as_ptr().add(pixel * lanes), kernel, steps, map_step)
                        }
                        Way::Gathered | Way::Winograd(_) | Way::Tiles | Way::FixedPoint => {
                            let place = (tile - first) * most * gathered_of_pixel;
                            let pixels = size * lanes / piece_channels;
                            let window = [used[0].len(), used[1].len()];
                            let steps = [window[1] * blocks * pixels, blocks * pixels];
                            (maps.scratch.as_ptr().add(place), window, steps, pixels)
                        }
                    };
                    let tap_weights = block_weights / taps;
                    let skipped = match way {
                        Way::Gathered => used[0].start * kernel[1] + used[1].start,
                        _ => 0,
                    };
                    let job = Sum {
                        x,
                        window,
                        window_steps,
                        blocks,
                        block_step,
                        pieces: [
                            lanes / piece_channels,
                            (layer.inputs - (blocks - 1) * lanes).div_ceil(piece_channels),
                        ],
                        weights: (layer.weights.numbers().as_ptr()).add(block * block_weights + skipped * tap_weights),
                        weights_steps: [kernel[1] * tap_weights, tap_weights],
                        weights_step: block_weights,
                    };
                    let place = layer.gives.place(lanes, block, y_pixels) + (y_first + pixel) * lanes;
                    let residual_place = (block * residual_pixels + residual_first + pixel) * lanes;
                    let residual_blocks = residual_blocks.saturating_sub(block);
                    let finish = Finish {
                        starts: layer.starts.numbers().as_ptr().add(block * lanes),
                        bias: layer.bias.numbers().as_ptr().add(block * lanes),
                        scales: layer.scales.numbers().as_ptr().add(block * lanes),
                        residual: match maps.residual {
                            Some((residual, _)) if residual_blocks > 0 => residual.as_ptr().add(residual_place),
                            _ => std::ptr::null(),
                        },
                        residual_step: residual_pixels * lanes,
                        residual_blocks,
                        bend: layer.bend.at(),
                        block,
                        y: maps.y.as_mut_ptr().add(place),
                        y_step: y_pixels * lanes,
                    };
                    with_tile!(T, size, at_once, sum(&job, &finish));
                }
            }
            block += at_once;
        }
    }
}

/// The map that is gathered from.
struct GatheredFrom<'a> {
    x: &'a [f32],
    shape: Shape,
    /// Of the output.
    columns: usize,
    /// Pixels that a block has in memory, and the first that is looked at: of a band, where a pixel looks at itself.
    map_pixels: usize,
    first: usize,
}

/// Makes pieces of what the windows of `size` pixels from `pixel` on see, `[used taps][blocks][size][pieces]`; zeros
/// outside the map.
///
/// # Safety
/// The CPU has the instructions.
#[inline(always)]
unsafe fn gather<T: Products>(
    layer: &Dense,
    from: &GatheredFrom<'_>,
    used: &[Range<usize>; 2],
    pixel: usize,
    size: usize,
    gathered: &mut [f32],
) {
    let lanes = const { T::Lanes::LANES };
    let pieces = const { T::Lanes::LANES / T::CHANNELS };
    let GatheredFrom { x, shape: [channels, height, width], columns, map_pixels, first } = *from;
    let blocks = channels.div_ceil(lanes);
    let (window, takes) = (&layer.window, layer.takes);
    // What is in a piece beside the last channel would be multiplied by zero, and may be no number.
    let empty = layer.has_odd_inputs();
    if layer.is_pointwise() && !empty {
        let gathered = gathered[..blocks * size * pieces].chunks_exact_mut(size * pieces);
        for (block, gathered) in gathered.enumerate() {
            let x = &x[(block * map_pixels + first + pixel) * lanes..][..size * lanes];
            for (from, to) in x.chunks_exact(lanes).zip(gathered.chunks_exact_mut(pieces)) {
                // SAFETY: the slices are a block and its pieces; the CPU has the instructions.
                unsafe { T::put(T::Lanes::load(from.as_ptr()), to.as_mut_ptr(), takes.steps) };
            }
        }
        return;
    }
    for place in 0..size {
        let (row, column) = ((pixel + place) / columns, (pixel + place) % columns);
        let mut tap = 0;
        for kernel_row in used[0].clone() {
            // Above and left of the map these wrap to numbers that are not below its sides.
            let y = (row * window.stride[0] + kernel_row * window.dilation[0]).wrapping_sub(window.padding.top);
            for kernel_column in used[1].clone() {
                let x_of = column * window.stride[1] + kernel_column * window.dilation[1];
                let x_of = x_of.wrapping_sub(window.padding.left);
                let inside = y < height && x_of < width;
                for block in 0..blocks {
                    let to = &mut gathered[((tap * blocks + block) * size + place) * pieces..][..pieces];
                    if inside {
                        let from = &x[((block * height + y) * width + x_of) * lanes..][..lanes];
                        // SAFETY: the slices are a block and its pieces; the CPU has the instructions.
                        unsafe { T::put(T::Lanes::load(from.as_ptr()), to.as_mut_ptr(), takes.steps) };
                        if empty && block + 1 == blocks {
                            let last = &mut to[channels % lanes / T::CHANNELS];
                            *last = f32::from_bits(last.to_bits() & 0xffff);
                        }
                    } else {
                        to.fill(takes.zeros());
                    }
                }
                tap += 1;
            }
        }
    }
}

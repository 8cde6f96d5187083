//! Units of a scan, one after the other, into rows of samples, and these into pixels.

use super::bits::Bits;
use super::huffman::END;
use super::portable::Portable;
use super::rows::Spread;
use super::transform::{Block, Transform, block_1};
use super::{Component, Decoded, MAX_UNIT_BLOCKS, Reduction, Scan};

/// Where in a block the coefficients are that files have one after the other. In damaged files zeros may lead beyond its
/// end, to the last.
const ZIGZAG: [u8; 64 + END as usize + 16] = {
    let mut places = [63; 64 + END as usize + 16];
    let (mut diagonal, mut next) = (0_usize, 0);
    while diagonal < 15 {
        let mut step = diagonal.saturating_sub(7);
        while step <= diagonal && step < 8 {
            // Diagonals go up and down by turns.
            let (row, column) =
                if diagonal.is_multiple_of(2) { (diagonal - step, step) } else { (step, diagonal - step) };
            places[next] = (8 * row + column) as u8;
            next += 1;
            step += 1;
        }
        diagonal += 1;
    }
    places
};

/// What pixels that are not there are: grey.
const GREY: u8 = 128;

/// With what every CPU has.
pub(crate) fn decode_portable(scan: &Scan, data: &[u8], reduction: Reduction, rgb: &mut [u8]) -> Decoded {
    // SAFETY: it needs no instructions.
    unsafe { decode::<Portable>(scan, data, reduction, rgb) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
pub(crate) fn decode_avx2(scan: &Scan, data: &[u8], reduction: Reduction, rgb: &mut [u8]) -> Decoded {
    // SAFETY: they are enabled.
    unsafe { decode::<super::avx2::Avx2>(scan, data, reduction, rgb) }
}

/// Decodes `data`, which begins behind the header of the scan, into rows of RGB.
///
/// # Safety
/// The CPU has the instructions of `T`.
#[inline(always)]
unsafe fn decode<T: Transform>(scan: &Scan, data: &[u8], reduction: Reduction, rgb: &mut [u8]) -> Decoded {
    let (width, height) = (reduction.reduced(scan.width) as usize, reduction.reduced(scan.height) as usize);
    assert_eq!(rgb.len(), 3 * width * height, "bytes for the pixels");
    let (across, down) = scan.units();
    let mut planes: Vec<Plane> = scan.components.iter().map(|of| Plane::new(scan, of, reduction)).collect();
    let mut units = Units::new(scan, data);
    let mut spread = [vec![0; planes[0].stride], vec![0; planes[0].stride]];
    let mut sums = vec![0; planes[0].stride];
    // The last row of a band may have to wait for what is below it.
    let waits = planes.iter().any(|plane| plane.spread.looks_at_rows());
    let mut coefficients = [[0; 64]; MAX_UNIT_BLOCKS];
    let mut done = 0;
    for band in 0..down {
        for unit in 0..across {
            // SAFETY: the caller has the instructions.
            unsafe { units.decode::<T>(&mut coefficients) };
            let mut blocks = coefficients.iter();
            for plane in &mut planes {
                // SAFETY: the caller has the instructions.
                unsafe { plane.put::<T>(unit, &mut blocks) };
            }
        }
        let rows = (band + 1) * planes[0].rows;
        let ready = if band + 1 == down { height } else { (rows - usize::from(waits)).min(height) };
        for row in done..ready {
            let pixels = &mut rgb[3 * width * row..][..3 * width];
            let luma = &planes[0].row(band, row)[..width];
            let [_, blue, red] = &planes[..] else {
                pixels.as_chunks_mut().0.iter_mut().zip(luma).for_each(|(pixel, &grey)| *pixel = [grey; 3]);
                continue;
            };
            let [for_blue, for_red] = &mut spread;
            let colours = [(blue, for_blue), (red, for_red)].map(|(plane, spread)| {
                let (near, far) = plane.spread.rows(row, plane.height);
                let near = &plane.row(band, near)[..plane.width];
                if plane.spread.is_none() {
                    return &near[..width];
                }
                let far = if plane.spread.looks_at_rows() { &plane.row(band, far)[..plane.width] } else { near };
                plane.spread.spread(row, near, far, &mut sums[..plane.width], spread);
                &spread[..width]
            });
            // SAFETY: the caller has the instructions.
            unsafe { T::rgb(luma, colours[0], colours[1], pixels) };
        }
        done = ready;
        if units.is_over() {
            break;
        }
        planes.iter_mut().for_each(Plane::keep_last_row);
    }
    rgb[3 * width * done..].fill(GREY);
    Decoded { units: units.decoded, of: across * down }
}

/// Samples of a component: those of a row of units, and the row above them.
struct Plane {
    /// Samples of a side of a block.
    side: usize,
    horizontal: usize,
    vertical: usize,
    factors: Block,
    /// Rows of samples in a row of units.
    rows: usize,
    /// Samples of a row that are in the photo.
    width: usize,
    /// Rows that are in the photo.
    height: usize,
    stride: usize,
    spread: Spread,
    samples: Vec<u8>,
}

impl Plane {
    fn new(scan: &Scan, component: &Component, reduction: Reduction) -> Self {
        let first = &scan.components[0];
        let luma_side = 8 / reduction.divisor() as usize;
        let (horizontal, vertical) = (usize::from(component.horizontal), usize::from(component.vertical));
        let mut across = usize::from(first.horizontal) / horizontal;
        let mut down = usize::from(first.vertical) / vertical;
        let mut side = luma_side;
        // What has fewer samples is reduced less.
        while side < 8 && across.is_multiple_of(2) && down.is_multiple_of(2) {
            (side, across, down) = (2 * side, across / 2, down / 2);
        }
        let in_photo =
            |pixels: u32, blocks: usize, most: u8| (pixels as usize * blocks * side).div_ceil(8 * usize::from(most));
        let width = in_photo(scan.width, horizontal, first.horizontal);
        let stride = scan.units().0 * horizontal * side;
        let mut factors = [0; 64];
        component.factors.iter().zip(ZIGZAG).for_each(|(&by, place)| factors[usize::from(place)] = i16::from(by));
        Self {
            side,
            horizontal,
            vertical,
            factors,
            rows: vertical * side,
            width,
            height: in_photo(scan.height, vertical, first.vertical),
            stride,
            spread: Spread::new(across, down, width, luma_side > 1),
            samples: vec![0; (1 + vertical * side) * stride],
        }
    }

    /// Puts the blocks of a unit where they belong.
    ///
    /// # Safety
    /// The CPU has the instructions of `T`.
    #[inline(always)]
    unsafe fn put<'a, T: Transform>(&mut self, unit: usize, blocks: &mut impl Iterator<Item = &'a Block>) {
        for row in 0..self.vertical {
            for column in 0..self.horizontal {
                let Some(block) = blocks.next() else { return };
                let at = (1 + row * self.side) * self.stride + (unit * self.horizontal + column) * self.side;
                let samples = &mut self.samples[at..];
                // SAFETY: the caller has the instructions.
                unsafe {
                    match self.side {
                        8 => T::block_8(block, &self.factors, samples, self.stride),
                        4 => T::block_4(block, &self.factors, samples, self.stride),
                        2 => T::block_2(block, &self.factors, samples, self.stride),
                        _ => samples[0] = block_1(block, &self.factors),
                    }
                }
            }
        }
    }

    /// A row of the photo: of the row of units `band`, or the last of the one before.
    fn row(&self, band: usize, row: usize) -> &[u8] {
        &self.samples[(1 + row - band * self.rows) * self.stride..][..self.stride]
    }

    fn keep_last_row(&mut self) {
        self.samples.copy_within(self.rows * self.stride.., 0);
    }
}

/// The units of a scan.
struct Units<'a> {
    components: &'a [Component],
    unit_blocks: usize,
    bits: Bits<'a>,
    /// The first coefficient of the last block of each component.
    first: [i32; 3],
    restart_interval: usize,
    /// The unit that comes next.
    next: usize,
    /// Units before this one are lost.
    lost_until: usize,
    /// The unit behind the last marker that was found.
    restarted_at: usize,
    decoded: usize,
}

impl<'a> Units<'a> {
    fn new(scan: &'a Scan, data: &'a [u8]) -> Self {
        Self {
            components: &scan.components,
            unit_blocks: scan.components.iter().map(Component::blocks).sum(),
            bits: Bits::new(data),
            first: [0; 3],
            restart_interval: scan.restart_interval,
            next: 0,
            lost_until: 0,
            restarted_at: 0,
            decoded: 0,
        }
    }

    /// Whether nothing more will come.
    fn is_over(&self) -> bool {
        self.lost_until == usize::MAX
    }

    /// The coefficients of the next unit, zeros where it is lost.
    ///
    /// # Safety
    /// The CPU has the instructions of `T`.
    #[inline(always)]
    unsafe fn decode<T: Transform>(&mut self, coefficients: &mut [Block; MAX_UNIT_BLOCKS]) {
        let is_restart = self.restart_interval > 0 && self.next > 0 && self.next.is_multiple_of(self.restart_interval);
        if is_restart && self.next >= self.lost_until && self.next != self.restarted_at {
            self.restart();
        }
        coefficients[..self.unit_blocks].fill([0; 64]);
        if self.next >= self.lost_until {
            // SAFETY: the caller has the instructions.
            if unsafe { self.blocks::<T>(coefficients) }.is_some() && !self.bits.ran_out() {
                self.decoded += 1;
            } else {
                coefficients.fill([0; 64]);
                self.lost_until = match self.restart_interval {
                    0 => usize::MAX,
                    interval => (self.next + 1).next_multiple_of(interval),
                };
            }
        }
        self.next += 1;
    }

    /// Begins anew at the next marker. Where some were lost, it tells how many.
    #[cold]
    fn restart(&mut self) {
        self.first = [0; 3];
        let expected = (self.next / self.restart_interval + 7) % 8;
        self.restarted_at = loop {
            let Some(number) = self.bits.next_restart() else { break usize::MAX };
            let lost = (usize::from(number) + 8 - expected) % 8;
            // Any other is one of before.
            if lost <= 2 {
                break self.next + lost * self.restart_interval;
            }
        };
        self.lost_until = self.restarted_at;
    }

    /// # Safety
    /// The CPU has the instructions of `T`.
    #[inline(always)]
    unsafe fn blocks<T: Transform>(&mut self, coefficients: &mut [Block; MAX_UNIT_BLOCKS]) -> Option<()> {
        let mut blocks = coefficients.iter_mut();
        for (component, first) in self.components.iter().zip(&mut self.first) {
            for _ in 0..component.blocks() {
                // SAFETY: the caller has the instructions.
                unsafe { T::decode_block(&mut self.bits, component, first, blocks.next()?) }?;
            }
        }
        Some(())
    }
}

/// Decodes a block, whose places are all 0. `None` where the bits mean nothing.
#[inline(always)]
pub(super) fn decode_block(
    all: &mut Bits<'_>,
    component: &Component,
    first: &mut i32,
    block: &mut Block,
) -> Option<()> {
    let mut bits = *all;
    bits.refill();
    *first = first.wrapping_add(component.dc.take_number(&mut bits)?);
    block[0] = *first as i16;
    let (codes, short) = (&*component.ac, component.ac.short());
    let mut next = 1;
    while next < 64 {
        // Two of the longest are there after it.
        bits.refill();
        for _ in 0..2 {
            let entry = codes.take_entry(short, &mut bits)?;
            next += entry.zeros() as usize;
            block[usize::from(ZIGZAG[next & 127])] = entry.number();
            next += 1;
            if next >= 64 {
                break;
            }
        }
    }
    *all = bits;
    Some(())
}

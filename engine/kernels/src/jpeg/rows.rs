//! Rows of chroma samples → as many as there are pixels, weighed by their distance: libjpeg's "fancy upsampling".

/// What is between samples of a component and pixels: one to one in each direction, or one to several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    across: usize,
    down: usize,
    /// Whether it looks at neighbours across, and above or below.
    is_smooth: bool,
}

impl Spread {
    /// `width`: samples in a row. `is_smooth`: whether neighbours may be looked at.
    pub(super) fn new(across: usize, down: usize, width: usize, is_smooth: bool) -> Self {
        let is_smooth = is_smooth
            && match (across, down) {
                (2, 1 | 2) => width > 2,
                (1, 2) => true,
                _ => false,
            };
        Self { across, down, is_smooth }
    }

    /// Whether samples are pixels.
    pub(super) fn is_none(self) -> bool {
        (self.across, self.down) == (1, 1)
    }

    /// Whether a pixel looks at the rows above and below its own.
    pub(super) fn looks_at_rows(self) -> bool {
        self.is_smooth && self.down == 2
    }

    /// The row of samples in which a row of pixels is, and for [`looks_at_rows`](Self::looks_at_rows) the nearest other.
    pub(super) fn rows(self, pixel_row: usize, rows: usize) -> (usize, usize) {
        let near = pixel_row / self.down;
        let far = if pixel_row.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(rows - 1) };
        (near, far)
    }

    /// Samples for a row of pixels. `sums` has a place for each sample; `spread` has `across` places for each.
    #[inline(always)]
    pub(super) fn spread(self, pixel_row: usize, near: &[u8], far: &[u8], sums: &mut [u16], spread: &mut [u8]) {
        match (self.is_smooth, self.across, self.down) {
            (true, 2, 2) => {
                weigh_rows(near, far, sums);
                // Half is rounded up and down by turns, as it would be brighter otherwise.
                spread_smoothly::<4>(sums, [8, 7], spread);
            }
            (true, 2, 1) => {
                near.iter().zip(&mut *sums).for_each(|(&sample, sum)| *sum = u16::from(sample));
                spread_smoothly::<2>(sums, [1, 2], spread);
            }
            (true, ..) => {
                let half = if pixel_row.is_multiple_of(2) { 1 } else { 2 };
                for ((&near, &far), to) in near.iter().zip(far).zip(spread) {
                    *to = ((3 * u16::from(near) + u16::from(far) + half) >> 2) as u8;
                }
            }
            (false, across, _) => {
                for (&sample, to) in near.iter().zip(spread.chunks_exact_mut(across)) {
                    to.fill(sample);
                }
            }
        }
    }
}

/// Three parts of the nearer row and one of the other.
#[inline(always)]
fn weigh_rows(near: &[u8], far: &[u8], sums: &mut [u16]) {
    for ((&near, &far), sum) in near.iter().zip(far).zip(sums) {
        *sum = 3 * u16::from(near) + u16::from(far);
    }
}

/// Two for each, of three parts of it and one of the neighbour on that side; a number at an end is its own neighbour.
#[inline(always)]
fn spread_smoothly<const SHIFT: u32>(sums: &[u16], halves: [u16; 2], spread: &mut [u8]) {
    let pair = |before: u16, sum: u16, after: u16| {
        [((3 * sum + before + halves[0]) >> SHIFT) as u8, ((3 * sum + after + halves[1]) >> SHIFT) as u8]
    };
    let (pairs, _) = spread.as_chunks_mut::<2>();
    let last = sums.len() - 1;
    let pairs = &mut pairs[..=last];
    pairs[0] = pair(sums[0], sums[0], sums[1]);
    pairs[last] = pair(sums[last - 1], sums[last], sums[last]);
    let (before, own, after) = (&sums[..last - 1], &sums[1..last], &sums[2..]);
    for (((to, &before), &own), &after) in pairs[1..last].iter_mut().zip(before).zip(own).zip(after) {
        *to = pair(before, own, after);
    }
}

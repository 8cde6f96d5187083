//! What a baseline JPEG file says before its pixels.

use std::sync::Arc;

use facerecog_kernels::jpeg::{Component, HuffmanTable, Scan};

/// The header of a file that our own kernels decode.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) scan: Scan,
    /// What follows the header of the scan.
    pub(super) data: &'a [u8],
    /// The EXIF block.
    pub(super) exif: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// Reads the header of a file with one scan of 8-bit grey or YCbCr in Huffman codes, as nearly all files are. `None`
    /// for every other, be it broken or of another kind.
    pub(super) fn read(file: &'a [u8]) -> Option<Self> {
        let mut rest = file.strip_prefix(&[0xff, 0xd8])?;
        let mut said = Said::default();
        loop {
            let (marker, segment, next) = next_segment(rest)?;
            if marker == 0xda {
                return Some(Self { scan: said.scan(segment)?, data: next, exif: said.exif });
            }
            said.read(marker, segment)?;
            rest = next;
        }
    }
}

/// A marker, what belongs to it, and what follows.
fn next_segment(file: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [0xff, rest @ ..] = file else { return None };
    // Any number of these may stand before a marker.
    let marker_at = rest.iter().position(|&byte| byte != 0xff)?;
    let (&marker, rest) = rest[marker_at..].split_first()?;
    let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
    Some((marker, rest.get(2..length)?, &rest[length..]))
}

/// What was said up to some segment.
#[derive(Default)]
struct Said<'a> {
    frame: Option<Frame>,
    /// In the order of files.
    factors: [Option<[u8; 64]>; 4],
    dc: [Option<Arc<HuffmanTable>>; 4],
    ac: [Option<Arc<HuffmanTable>>; 4],
    restart_interval: u16,
    exif: Option<&'a [u8]>,
    is_jfif: bool,
    /// What Adobe's programs say of the colours.
    transform: Option<u8>,
}

struct Frame {
    width: u16,
    height: u16,
    components: Vec<FrameComponent>,
}

struct FrameComponent {
    name: u8,
    horizontal: u8,
    vertical: u8,
    factors: u8,
}

impl<'a> Said<'a> {
    fn read(&mut self, marker: u8, segment: &'a [u8]) -> Option<()> {
        match marker {
            // Baseline, and what differs from it in more tables alone when samples have 8 bits.
            0xc0 | 0xc1 if self.frame.is_none() => self.frame = Some(Frame::read(segment)?),
            0xc4 => self.read_codes(segment)?,
            0xdb => self.read_factors(segment)?,
            0xdd => self.restart_interval = u16::from_be_bytes(segment.try_into().ok()?),
            0xe0 => self.is_jfif |= segment.starts_with(b"JFIF\0"),
            0xe1 => self.exif = segment.strip_prefix(b"Exif\0\0").or(self.exif),
            0xee if segment.starts_with(b"Adobe") => self.transform = Some(*segment.get(11)?),
            // Other applications, and comments.
            0xe2..=0xef | 0xfe => {}
            _ => return None,
        }
        Some(())
    }

    fn read_factors(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [head, rest @ ..] = segment {
            // The upper half would tell that they have 16 bits.
            let table = self.factors.get_mut(usize::from(*head))?;
            let (factors, rest) = rest.split_first_chunk()?;
            *table = Some(*factors);
            segment = rest;
        }
        Some(())
    }

    fn read_codes(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [head, rest @ ..] = segment {
            let tables = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            let (counts, rest) = rest.split_first_chunk()?;
            let symbols = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols)?;
            *tables.get_mut(usize::from(head & 15))? = Some(Arc::new(HuffmanTable::new(counts, symbols)?));
            segment = rest;
        }
        Some(())
    }

    /// The scan with all components of the frame, in their order.
    fn scan(&self, segment: &[u8]) -> Option<Scan> {
        let frame = self.frame.as_ref()?;
        if !self.is_grey_or_ycbcr(frame) {
            return None;
        }
        let (&count, segment) = segment.split_first()?;
        let (components, spectrum) = segment.as_chunks::<2>();
        // All coefficients, whole: nothing is left for later scans.
        if usize::from(count) != frame.components.len() || components.len() != frame.components.len() + 1 {
            return None;
        }
        let ([components @ .., [0, 63]], [0]) = (components, spectrum) else { return None };
        let component = |(of, &[name, tables]): (&FrameComponent, &[u8; 2])| {
            let table = |tables: &[Option<Arc<HuffmanTable>>; 4], index: u8| tables.get(usize::from(index))?.clone();
            (name == of.name).then_some(Component {
                horizontal: of.horizontal,
                vertical: of.vertical,
                factors: (*self.factors.get(usize::from(of.factors))?)?,
                dc: table(&self.dc, tables >> 4)?,
                ac: table(&self.ac, tables & 15)?,
            })
        };
        let components = frame.components.iter().zip(components).map(component).collect::<Option<_>>()?;
        Scan::new(frame.width.into(), frame.height.into(), components, self.restart_interval.into())
    }

    /// What libjpeg takes it for. Where it is not plain, the other decoder decides.
    fn is_grey_or_ycbcr(&self, frame: &Frame) -> bool {
        let names: Vec<u8> = frame.components.iter().map(|component| component.name).collect();
        match names.len() {
            1 => true,
            3 => self.transform.map_or(self.is_jfif || names != *b"RGB", |transform| transform == 1),
            _ => false,
        }
    }
}

impl Frame {
    fn read(segment: &[u8]) -> Option<Self> {
        let [8, h0, h1, w0, w1, count, components @ ..] = segment else { return None };
        let (components, []) = components.as_chunks::<3>() else { return None };
        let component = |&[name, sampling, factors]: &[u8; 3]| FrameComponent {
            name,
            horizontal: sampling >> 4,
            vertical: sampling & 15,
            factors,
        };
        (components.len() == usize::from(*count)).then(|| Self {
            width: u16::from_be_bytes([*w0, *w1]),
            height: u16::from_be_bytes([*h0, *h1]),
            components: components.iter().map(component).collect(),
        })
    }
}

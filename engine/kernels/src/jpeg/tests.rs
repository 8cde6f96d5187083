//! Every set of instructions gives the same pixels, whatever it is given.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Component, HuffmanTable, Reduction, Scan};
use crate::{Instructions, Kernels};

/// 254 codes of 8 bits and two of 9: whatever the bits are, nearly all mean something.
fn even_codes(symbols: impl Iterator<Item = u8> + Clone) -> Arc<HuffmanTable> {
    let mut counts = [0; 16];
    (counts[7], counts[8]) = (254, 2);
    let symbols: Vec<u8> = symbols.cycle().take(256).collect();
    Arc::new(HuffmanTable::new(&counts, &symbols).unwrap())
}

/// A code of each length, most of them longer than what is looked up at once.
fn uneven_codes(symbols: &[u8; 16]) -> Arc<HuffmanTable> {
    Arc::new(HuffmanTable::new(&[1; 16], symbols).unwrap())
}

fn component((horizontal, vertical): (u8, u8), factors: [u8; 64], is_uneven: bool) -> Component {
    let numbers = (0..16_u8).flat_map(|zeros| (0..=10).map(move |bits| zeros << 4 | bits));
    let (dc, ac) = if is_uneven {
        let symbols = [2, 1, 0, 3, 0x11, 0x32, 0xf0, 0x21, 4, 5, 6, 7, 8, 9, 10, 0xaa];
        (uneven_codes(&std::array::from_fn(|bits| bits as u8 % 12)), uneven_codes(&symbols))
    } else {
        (even_codes(0..=11), even_codes(numbers))
    };
    Component { horizontal, vertical, factors, dc, ac }
}

/// Units that restart one after the other, each of some bytes, with what is stuffed.
fn data(units: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for (number, unit) in units.iter().enumerate() {
        if number > 0 {
            data.extend([255, 0xd0 + (number - 1) as u8 % 8]);
        }
        data.extend(unit.iter().flat_map(|&byte| [byte, 0].into_iter().take(if byte == 255 { 2 } else { 1 })));
    }
    data
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_instructions_give_the_same_pixels(
        (width, height) in (1..70_u32, 1..50_u32),
        sampling in prop::sample::select(vec![(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)]),
        is_grey: bool,
        is_uneven: [bool; 3],
        factors in prop::collection::vec(prop_oneof![1..30_u8, any::<u8>()], 64),
        units in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..30),
    ) {
        let factors: [u8; 64] = factors.try_into().unwrap();
        let count = if is_grey { 1 } else { 3 };
        let components = (0..count).map(|at| {
            component(if at == 0 { sampling } else { (1, 1) }, factors, is_uneven[at])
        });
        let scan = Scan::new(width, height, components.collect(), 1).unwrap();
        let data = data(&units);
        for reduction in Reduction::ALL {
            let bytes = 3 * reduction.reduced(width) as usize * reduction.reduced(height) as usize;
            let decode = |instructions| {
                let mut rgb = vec![7; bytes];
                Kernels::of(instructions).map(|kernels| (kernels.decode_jpeg(&scan, &data, reduction, &mut rgb), rgb))
            };
            let expected = decode(Instructions::Portable).unwrap();
            for instructions in Instructions::ALL {
                if let Some(found) = decode(instructions) {
                    prop_assert_eq!(&found, &expected, "{:?} {:?}", instructions, reduction);
                }
            }
        }
    }

    #[test]
    fn tables_of_any_counts_are_refused_or_read(
        counts: [u8; 16],
        symbols in prop::collection::vec(any::<u8>(), 0..300),
        data in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        // Few at most lengths, so that some are possible.
        let counts = counts.map(|count| if count < 200 { 0 } else { count % 5 });
        let Some(table) = HuffmanTable::new(&counts, &symbols).map(Arc::new) else { return Ok(()) };
        let component = Component { horizontal: 1, vertical: 1, factors: [3; 64], dc: table.clone(), ac: table };
        if let Some(scan) = Scan::new(20, 20, vec![component], 0) {
            let mut rgb = vec![0; 1200];
            let decoded = Kernels::chosen().decode_jpeg(&scan, &data, Reduction::None, &mut rgb);
            prop_assert!(decoded.units <= decoded.of);
        }
    }
}

#[test]
fn what_baseline_files_do_not_have_is_refused() {
    let plain = || component((1, 1), [1; 64], false);
    let scan = |first: (u8, u8), others: (u8, u8)| {
        let of = |sampling| component(sampling, [1; 64], false);
        Scan::new(8, 8, vec![of(first), of(others), of(others)], 0)
    };
    assert!(Scan::new(0, 8, vec![plain()], 0).is_none() && Scan::new(8, 65_536, vec![plain()], 0).is_none());
    assert!(Scan::new(8, 8, vec![plain(), plain()], 0).is_none() && Scan::new(8, 8, vec![], 0).is_none());
    assert!(scan((2, 2), (1, 1)).is_some() && scan((4, 1), (1, 1)).is_some() && scan((2, 1), (2, 1)).is_some());
    // The first has fewer samples, no whole multiple, none, or all together have too many.
    for (first, others) in [((1, 1), (2, 1)), ((3, 1), (2, 1)), ((3, 1), (1, 1)), ((0, 1), (1, 1)), ((4, 4), (1, 1))] {
        assert!(scan(first, others).is_none(), "{first:?} {others:?}");
    }
    // A number of 12 bits.
    let long = Component { dc: even_codes(0..=12), ..plain() };
    assert!(Scan::new(8, 8, vec![long], 0).is_none());
}

#[test]
fn more_codes_than_bits_can_tell_apart_are_refused() {
    let mut counts = [0; 16];
    counts[0] = 3;
    assert!(HuffmanTable::new(&counts, &[1, 2, 3]).is_none());
    counts[0] = 2;
    assert!(HuffmanTable::new(&counts, &[1]).is_none(), "a symbol is missing");
    assert!(HuffmanTable::new(&counts, &[1, 2]).is_some());
}

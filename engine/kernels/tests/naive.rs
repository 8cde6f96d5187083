//! Every kernel beside the plainest form of what it computes, over shapes that do not fit its registers.

use facerecog_kernels::codes::{BLOCK_ROWS, Batch, Line, Probe, block_lines, encode_block};
use facerecog_kernels::{Instructions, Kernels};
use proptest::collection::vec;
use proptest::prelude::*;

fn all_kernels() -> impl Iterator<Item = Kernels> {
    Instructions::ALL.into_iter().filter_map(Kernels::of)
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

fn length(values: &[f32]) -> f64 {
    distance(values, &vec![0.0; values.len()])
}

/// No byte more than the blocks of the rows take: what reads beyond them leaves the allocation.
fn encode(rows: &[Vec<f32>], dims: usize) -> Box<[Line]> {
    let mut blocks = vec![[0; 64]; rows.len().div_ceil(BLOCK_ROWS) * block_lines(dims)];
    for (block, rows) in blocks.chunks_mut(block_lines(dims)).zip(rows.chunks(BLOCK_ROWS)) {
        encode_block(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), dims, block);
    }
    blocks.into_boxed_slice()
}

/// The rows that `first_within` leaves within `limit`, block by block.
fn found_alone(kernels: Kernels, blocks: &[Line], probe: &[f32], limit: Option<f32>) -> Vec<usize> {
    let mut coded = Probe::new(probe);
    limit.into_iter().for_each(|limit| coded.set_limit(limit));
    let (mut rows, mut done) = (Vec::new(), 0);
    while let Some(found) = kernels.first_within(&blocks[done * block_lines(probe.len())..], &coded) {
        assert_ne!(found.rows, 0);
        let first = (done + found.block) * BLOCK_ROWS;
        rows.extend((0..BLOCK_ROWS).filter(|row| found.rows >> row & 1 == 1).map(|row| first + row));
        done += found.block + 1;
    }
    rows
}

/// The rows that `within` leaves within the limit of each probe.
fn found_among(kernels: Kernels, blocks: &[Line], probes: &[Vec<f32>], limits: &[Option<f32>]) -> Vec<Vec<usize>> {
    let mut batch = Batch::new(probes.iter().map(|probe| Probe::new(probe)).collect());
    assert_eq!((batch.len(), batch.is_empty()), (probes.len(), probes.is_empty()));
    for (place, limit) in limits.iter().enumerate() {
        limit.iter().for_each(|limit| batch.set_limit(place, *limit));
    }
    let mut rows = vec![Vec::new(); probes.len()];
    let mut found = vec![0; probes.len()];
    for (pair, blocks) in blocks.chunks(2 * block_lines(probes[0].len())).enumerate() {
        kernels.within(blocks, &batch, &mut found);
        for (rows, found) in rows.iter_mut().zip(&found) {
            rows.extend((0..32).filter(|row| found >> row & 1 == 1).map(|row| 32 * pair + row));
        }
    }
    rows
}

/// Numbers of ordinary size, now and then of any other.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        20 => -1f32..1.0,
        1 => Just(0.0),
        1 => -1e4f32..1e4,
    ]
}

/// Factors that take rows and probes to the ends of what is coded, and beyond.
fn factor() -> impl Strategy<Value = f32> {
    prop_oneof![10 => Just(1.0f32), 1 => proptest::sample::select(vec![0.0, 1e-38, 1e-20, 1e-6, 1e6, 1e11, 1e15, 1e20, 1e34])]
}

fn vectors(dims: usize, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let vector = (vec(number(), dims), factor())
        .prop_map(|(values, factor)| values.into_iter().map(|value| value * factor).collect::<Vec<f32>>());
    vec(vector, count)
}

proptest! {
    #[test]
    fn squared_distances_are_the_same_for_all_instructions(pairs in vec((number(), number()), 0..300)) {
        let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
        let naive = distance(&a, &b).powi(2);
        let of_portable = Kernels::of(Instructions::Portable).unwrap().squared_distance(&a, &b);
        prop_assert!((f64::from(of_portable) - naive).abs() <= naive * 1e-5);
        for kernels in all_kernels() {
            prop_assert_eq!(kernels.squared_distance(&a, &b).to_bits(), of_portable.to_bits());
        }
    }

    /// What the search relies on: a row whose computed distance is within the limit is found, whatever its numbers.
    #[test]
    fn no_row_within_the_limit_is_lost(
        (rows, probes) in (1usize..80).prop_flat_map(|dims| (vectors(dims, 0..70), vectors(dims, 1..20))),
        which in 0.0..1.0f64,
    ) {
        let portable = Kernels::of(Instructions::Portable).unwrap();
        let blocks = encode(&rows, probes[0].len());
        let distances: Vec<Vec<f32>> = probes
            .iter()
            .map(|probe| rows.iter().map(|row| portable.squared_distance(probe, row).sqrt()).collect())
            .collect();
        // The limit of a search is always the distance of a row.
        let limit = |distances: &Vec<f32>| distances.get((which * rows.len() as f64) as usize).copied();
        let limits: Vec<Option<f32>> = distances.iter().map(limit).collect();
        for kernels in all_kernels() {
            let among = found_among(kernels, &blocks, &probes, &limits);
            for (place, probe) in probes.iter().enumerate() {
                let expected = (0..rows.len())
                    .filter(|row| limits[place].is_none_or(|limit| distances[place][*row] <= limit));
                let alone = found_alone(kernels, &blocks, probe, limits[place]);
                for row in expected {
                    let name = kernels.instructions().name();
                    prop_assert!(alone.contains(&row), "{name}: row {row} of probe {place}");
                    prop_assert!(among[place].contains(&row), "{name}: row {row} of probe {place} among others");
                }
            }
        }
    }

    /// What makes it fast: a row that is farther away than the limit and the errors of both codes is not found.
    #[test]
    fn rows_beyond_the_limit_and_the_errors_are_excluded(
        (rows, probes) in (1usize..200).prop_flat_map(|dims| {
            (vec(vec(-1f32..1.0, dims), 1..70), vec(vec(-1f32..1.0, dims), 1..20))
        }),
        share in 0.1..1.0f64,
    ) {
        let dims = probes[0].len();
        let blocks = encode(&rows, dims);
        // Half a step a number, a step being 1/127 of the largest.
        let error = 0.51 / 127.0 * (dims as f64).sqrt();
        let limits: Vec<f32> = probes.iter().map(|probe| (share * distance(probe, &rows[0])) as f32).collect();
        let given: Vec<Option<f32>> = limits.iter().copied().map(Some).collect();
        for kernels in all_kernels() {
            let among = found_among(kernels, &blocks, &probes, &given);
            for (place, probe) in probes.iter().enumerate() {
                let alone = found_alone(kernels, &blocks, probe, given[place]);
                for row in alone.into_iter().chain(among[place].iter().copied()) {
                    prop_assert!(row < rows.len(), "a place beyond the last row");
                    let (found, slack) = (distance(probe, &rows[row]), 1e-5 * (length(probe) + length(&rows[row])));
                    let reach = f64::from(limits[place]) + 4.0 * error + slack;
                    prop_assert!(found <= reach, "{}: {found} beyond {reach}", kernels.instructions().name());
                }
            }
        }
    }

    /// The description of the layout, read back without any of its code.
    #[test]
    fn codes_and_bounds_are_as_described(
        rows in (1usize..40).prop_flat_map(|dims| vec(vec(-1f32..1.0, dims), 1..17)),
    ) {
        let dims = rows[0].len();
        let block = encode(&rows, dims);
        let number = |line: usize, place: usize| u32::from_le_bytes(block[line][4 * place..][..4].try_into().unwrap());
        let lines = dims.div_ceil(4);
        prop_assert_eq!(block.len(), lines + 2);
        for place in 0..BLOCK_ROWS {
            let (bound, norm) = (number(lines, place), f64::from(f32::from_bits(number(lines + 1, place))));
            let scale = f64::from(f32::from_bits(bound & 0xffff_0000));
            let error = f64::from(f32::from_bits(bound << 16));
            let coded: Vec<f64> =
                (0..4 * lines).map(|at| scale * (f64::from(block[at / 4][4 * place + at % 4]) - 128.0)).collect();
            let Some(row) = rows.get(place) else {
                prop_assert_eq!((bound, norm), (0, f64::INFINITY));
                prop_assert!((0..4 * lines).all(|at| block[at / 4][4 * place + at % 4] == 128));
                continue;
            };
            prop_assert!(coded[dims..].iter().all(|value| *value == 0.0));
            let true_error = coded.iter().zip(row).map(|(coded, value)| (coded - f64::from(*value)).powi(2)).sum::<f64>();
            prop_assert!(true_error.sqrt() <= error && error <= true_error.sqrt() * 1.01 + 1e-30);
            let square: f64 = coded.iter().map(|value| value * value).sum();
            let expected = (square - error * error) - (square + error * error) / f64::from(1 << 20);
            prop_assert!(norm <= expected + 1e-12 && expected - norm <= 2e-7 * square.max(1e-30), "{} {}", norm, expected);
        }
    }
}

#[test]
fn without_rows_nothing_is_found() {
    for kernels in all_kernels() {
        assert_eq!(found_alone(kernels, &[], &[1.0, 2.0, 3.0], None), []);
        kernels.within(&[], &Batch::new(Vec::new()), &mut []);
        assert_eq!(kernels.squared_distance(&[], &[]), 0.0);
    }
}

/// The longest there are, with the largest sums of products that codes can have.
#[test]
fn sums_of_the_longest_rows_do_not_overflow() {
    const DIMS: usize = 65_536;
    let rows = [vec![1.0; DIMS], vec![-1.0; DIMS]];
    let blocks = encode(&rows, DIMS);
    for kernels in all_kernels() {
        for (probe, nearest) in [(&rows[0], 0), (&rows[1], 1)] {
            assert_eq!(found_alone(kernels, &blocks, probe, Some(100.0)), [nearest]);
            let among = found_among(kernels, &blocks, &[probe.clone(), probe.clone()], &[Some(100.0); 2]);
            assert_eq!(among, [[nearest], [nearest]]);
        }
    }
}

#[test]
#[should_panic(expected = "lines are no blocks")]
fn blocks_of_other_rows_are_refused() {
    let blocks = encode(&[vec![1.0; 8]], 8);
    Kernels::chosen().first_within(&blocks, &Probe::new(&[1.0; 12]));
}

#[test]
#[should_panic(expected = "lines of the second block")]
fn three_blocks_at_once_are_refused() {
    let blocks = encode(&vec![vec![1.0; 8]; 33], 8);
    Kernels::chosen().within(&blocks, &Batch::new(vec![Probe::new(&[1.0; 8])]), &mut [0]);
}

//! AVX2: two products of 16 bits and their sum in one instruction, for all eight columns or rows.

use std::arch::x86_64::*;

use super::Component;
use super::bits::Bits;
use super::portable::Portable;
use super::transform::*;

#[derive(Debug)]
pub(super) struct Avx2;

impl Transform for Avx2 {
    #[inline(always)]
    unsafe fn decode_block(
        bits: &mut Bits<'_>,
        component: &Component,
        first: &mut i32,
        block: &mut Block,
    ) -> Option<()> {
        // SAFETY: the caller has the instructions.
        unsafe { decode_block(bits, component, first, block) }
    }

    #[inline(always)]
    unsafe fn block_8(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize) {
        // SAFETY: the caller has the instructions.
        unsafe { block_8(coefficients, factors, samples, stride) }
    }

    #[inline(always)]
    unsafe fn block_4(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize) {
        // SAFETY: the caller has the instructions.
        unsafe { block_4(coefficients, factors, samples, stride) }
    }

    #[inline(always)]
    unsafe fn block_2(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize) {
        // SAFETY: the caller has the instructions.
        unsafe { block_2(coefficients, factors, samples, stride) }
    }

    #[inline(always)]
    unsafe fn rgb(luma: &[u8], blue: &[u8], red: &[u8], rgb: &mut [u8]) {
        // SAFETY: the caller has the instructions.
        unsafe { to_rgb(luma, blue, red, rgb) }
    }
}

/// With shifts that change no flags.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline(never)]
fn decode_block(bits: &mut Bits<'_>, component: &Component, first: &mut i32, block: &mut Block) -> Option<()> {
    super::decode::decode_block(bits, component, first, block)
}

#[target_feature(enable = "avx2")]
#[inline]
fn block_8(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize) {
    let mut inputs = [_mm_setzero_si128(); 8];
    for (row, input) in inputs.iter_mut().enumerate() {
        *input = product(coefficients, factors, row);
    }
    let columns = sums_8::<FIRST_SHIFT_8>(inputs);
    let rows = turned(sums_8::<LAST_SHIFT_8>(turned(columns)));
    for (pair, rows) in rows.as_chunks::<2>().0.iter().enumerate() {
        let both = to_samples(_mm_packs_epi16(rows[0], rows[1]));
        let halves = [_mm_cvtsi128_si64(both), _mm_extract_epi64::<1>(both)];
        for (row, half) in halves.into_iter().enumerate() {
            samples[(2 * pair + row) * stride..][..8].copy_from_slice(&half.to_le_bytes());
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn block_4(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize) {
    let input = |row| product(coefficients, factors, row);
    let zero = _mm_setzero_si128();
    let (i1, i3, i5, i7) = (input(1), input(3), input(5), input(7));
    let inputs = [pairs(input(0), zero), pairs(input(2), input(6)), pairs(i1, i3), pairs(i5, i7)];
    let [a, b, c, d] = sums_4::<FIRST_SHIFT_4>(inputs);
    // Of four rows, two columns a register: 0 1, 2 3, 4 5 and 6 7.
    let (low, high) = (_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b));
    let (other_low, other_high) = (_mm_unpacklo_epi16(c, d), _mm_unpackhi_epi16(c, d));
    let (c01, c23) = (_mm_unpacklo_epi32(low, other_low), _mm_unpackhi_epi32(low, other_low));
    let (c45, c67) = (_mm_unpacklo_epi32(high, other_high), _mm_unpackhi_epi32(high, other_high));
    let inputs = [
        _mm256_castsi128_si256(_mm_unpacklo_epi16(c01, zero)),
        _mm256_castsi128_si256(_mm_unpacklo_epi16(c23, c67)),
        _mm256_castsi128_si256(_mm_unpackhi_epi16(c01, c23)),
        _mm256_castsi128_si256(_mm_unpackhi_epi16(c45, c67)),
    ];
    // Four of the eight places are not used.
    let [a, b, c, d] = sums_4::<LAST_SHIFT_4>(inputs);
    // Columns of four bytes, then rows of them.
    let columns = _mm_packs_epi16(_mm_unpacklo_epi64(a, b), _mm_unpacklo_epi64(c, d));
    let turn = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    let rows = to_samples(_mm_shuffle_epi8(columns, turn));
    let rows = [
        _mm_cvtsi128_si32(rows),
        _mm_extract_epi32::<1>(rows),
        _mm_extract_epi32::<2>(rows),
        _mm_extract_epi32::<3>(rows),
    ];
    for (row, four) in rows.into_iter().enumerate() {
        samples[row * stride..][..4].copy_from_slice(&four.to_le_bytes());
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn block_2(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize) {
    let input = |row| product(coefficients, factors, row);
    let [f1, f3, f5, f7] = ODD_OF_2;
    let even = _mm256_slli_epi32::<EVEN_SHIFT_OF_2>(_mm256_cvtepi16_epi32(input(0)));
    let odd = _mm256_add_epi32(
        _mm256_madd_epi16(pairs(input(1), input(3)), both([f1, f3])),
        _mm256_madd_epi16(pairs(input(5), input(7)), both([f5, f7])),
    );
    let [upper, lower] = ends::<FIRST_SHIFT_2>(even, odd);
    let factors = _mm_setr_epi16(0, f1, 0, f3, 0, f5, 0, f7);
    let products = _mm_hadd_epi32(_mm_madd_epi16(upper, factors), _mm_madd_epi16(lower, factors));
    let odd = _mm_hadd_epi32(products, products);
    let rows = [
        (_mm_cvtsi128_si32(upper) as i16, _mm_cvtsi128_si32(odd)),
        (_mm_cvtsi128_si32(lower) as i16, _mm_extract_epi32::<1>(odd)),
    ];
    for (row, (even, odd)) in rows.into_iter().enumerate() {
        let even = (i32::from(even) << EVEN_SHIFT_OF_2).wrapping_add(1 << (LAST_SHIFT_2 - 1));
        let ends = [even.wrapping_add(odd), even.wrapping_sub(odd)].map(|sum| sample(sum >> LAST_SHIFT_2));
        samples[row * stride..][..2].copy_from_slice(&ends);
    }
}

/// A row of coefficients times its factors.
#[target_feature(enable = "avx2")]
#[inline]
fn product(coefficients: &Block, factors: &Block, row: usize) -> __m128i {
    let (coefficients, factors): (&[i16; 8], &[i16; 8]) =
        (&coefficients.as_chunks().0[row], &factors.as_chunks().0[row]);
    // SAFETY: references to 8 numbers of 2 bytes.
    unsafe { _mm_mullo_epi16(_mm_loadu_si128(coefficients.as_ptr().cast()), _mm_loadu_si128(factors.as_ptr().cast())) }
}

/// The numbers of `a` and `b` at the same place beside each other.
#[target_feature(enable = "avx2")]
#[inline]
fn pairs(a: __m128i, b: __m128i) -> __m256i {
    _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b))
}

/// Two factors for each pair.
#[target_feature(enable = "avx2")]
#[inline]
fn both([a, b]: [i16; 2]) -> __m256i {
    _mm256_set1_epi32(i32::from(b) << 16 | i32::from(a as u16))
}

#[target_feature(enable = "avx2")]
#[inline]
fn sums_8<const SHIFT: i32>([i0, i1, i2, i3, i4, i5, i6, i7]: [__m128i; 8]) -> [__m128i; 8] {
    let (i04, i26, i13, i57) = (pairs(i0, i4), pairs(i2, i6), pairs(i1, i3), pairs(i5, i7));
    let a = [_mm256_madd_epi16(i04, both(EVEN_04[0])), _mm256_madd_epi16(i04, both(EVEN_04[1]))];
    let b = [_mm256_madd_epi16(i26, both(EVEN_26[0])), _mm256_madd_epi16(i26, both(EVEN_26[1]))];
    let even = [
        _mm256_add_epi32(a[0], b[0]),
        _mm256_add_epi32(a[1], b[1]),
        _mm256_sub_epi32(a[1], b[1]),
        _mm256_sub_epi32(a[0], b[0]),
    ];
    let mut outputs = [_mm_setzero_si128(); 8];
    for place in 0..4 {
        let [f1, f3, f5, f7] = ODD[place];
        let odd = _mm256_add_epi32(_mm256_madd_epi16(i13, both([f1, f3])), _mm256_madd_epi16(i57, both([f5, f7])));
        [outputs[place], outputs[7 - place]] = ends::<SHIFT>(even[place], odd);
    }
    outputs
}

/// Of pairs of inputs 0 and nothing, 2 and 6, 1 and 3, 5 and 7.
#[target_feature(enable = "avx2")]
#[inline]
fn sums_4<const SHIFT: i32>([i0, i26, i13, i57]: [__m256i; 4]) -> [__m128i; 4] {
    let a = _mm256_madd_epi16(i0, both([EVEN_OF_4[0], 0]));
    let b = _mm256_madd_epi16(i26, both([EVEN_OF_4[1], EVEN_OF_4[2]]));
    let even = [_mm256_add_epi32(a, b), _mm256_sub_epi32(a, b)];
    let mut outputs = [_mm_setzero_si128(); 4];
    for place in 0..2 {
        let [f1, f3, f5, f7] = ODD_OF_4[place];
        let odd = _mm256_add_epi32(_mm256_madd_epi16(i13, both([f1, f3])), _mm256_madd_epi16(i57, both([f5, f7])));
        [outputs[place], outputs[3 - place]] = ends::<SHIFT>(even[place], odd);
    }
    outputs
}

/// The sum and the difference of an even and an odd part, rounded, in 16 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn ends<const SHIFT: i32>(even: __m256i, odd: __m256i) -> [__m128i; 2] {
    let even = _mm256_add_epi32(even, _mm256_set1_epi32(1 << (SHIFT - 1)));
    let sum = _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(even, odd));
    let difference = _mm256_srai_epi32::<SHIFT>(_mm256_sub_epi32(even, odd));
    let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(sum, difference));
    [_mm256_castsi256_si128(packed), _mm256_extracti128_si256::<1>(packed)]
}

/// Rows as columns.
#[target_feature(enable = "avx2")]
#[inline]
fn turned([r0, r1, r2, r3, r4, r5, r6, r7]: [__m128i; 8]) -> [__m128i; 8] {
    let (a0, a1) = (_mm_unpacklo_epi16(r0, r1), _mm_unpackhi_epi16(r0, r1));
    let (b0, b1) = (_mm_unpacklo_epi16(r2, r3), _mm_unpackhi_epi16(r2, r3));
    let (c0, c1) = (_mm_unpacklo_epi16(r4, r5), _mm_unpackhi_epi16(r4, r5));
    let (d0, d1) = (_mm_unpacklo_epi16(r6, r7), _mm_unpackhi_epi16(r6, r7));
    let (e0, e1) = (_mm_unpacklo_epi32(a0, b0), _mm_unpackhi_epi32(a0, b0));
    let (f0, f1) = (_mm_unpacklo_epi32(a1, b1), _mm_unpackhi_epi32(a1, b1));
    let (g0, g1) = (_mm_unpacklo_epi32(c0, d0), _mm_unpackhi_epi32(c0, d0));
    let (h0, h1) = (_mm_unpacklo_epi32(c1, d1), _mm_unpackhi_epi32(c1, d1));
    [
        _mm_unpacklo_epi64(e0, g0),
        _mm_unpackhi_epi64(e0, g0),
        _mm_unpacklo_epi64(e1, g1),
        _mm_unpackhi_epi64(e1, g1),
        _mm_unpacklo_epi64(f0, h0),
        _mm_unpackhi_epi64(f0, h0),
        _mm_unpacklo_epi64(f1, h1),
        _mm_unpackhi_epi64(f1, h1),
    ]
}

/// 128 more, of numbers of −128…127.
#[target_feature(enable = "avx2")]
#[inline]
fn to_samples(numbers: __m128i) -> __m128i {
    _mm_xor_si128(numbers, _mm_set1_epi8(-128))
}

/// Pixels at once.
const PIXELS: usize = 16;

#[target_feature(enable = "avx2")]
#[inline]
fn to_rgb(luma: &[u8], blue: &[u8], red: &[u8], rgb: &mut [u8]) {
    let (pixels, rest) = rgb.as_chunks_mut::<{ 3 * PIXELS }>();
    let samples = luma.as_chunks::<PIXELS>().0.iter();
    let samples = samples.zip(blue.as_chunks::<PIXELS>().0).zip(red.as_chunks::<PIXELS>().0);
    for (pixels, ((luma, blue), red)) in pixels.iter_mut().zip(samples) {
        store_rgb(pixels, colours(widened(luma), widened(blue), widened(red)));
    }
    let done = luma.len() - luma.len() % PIXELS;
    // SAFETY: what it asks for is nothing but the CPU there is.
    unsafe { Portable::rgb(&luma[done..], &blue[done..], &red[done..], rest) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn widened(samples: &[u8; PIXELS]) -> __m256i {
    // SAFETY: a reference to 16 bytes.
    _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(samples.as_ptr().cast()) })
}

/// Red, green and blue of 16 pixels.
#[target_feature(enable = "avx2")]
#[inline]
fn colours(luma: __m256i, blue: __m256i, red: __m256i) -> [__m128i; 3] {
    let middle = _mm256_set1_epi16(128);
    let (blue, red) = (_mm256_sub_epi16(blue, middle), _mm256_sub_epi16(red, middle));
    // Twice the product without its lower 16 bits, and half of that rounded, are the product rounded.
    let rounded = |number: __m256i, factor: i32| {
        let product = _mm256_mulhi_epi16(_mm256_add_epi16(number, number), _mm256_set1_epi16(factor as i16));
        _mm256_srai_epi16::<1>(_mm256_add_epi16(product, _mm256_set1_epi16(1)))
    };
    let green_of = |pairs: __m256i| {
        let sum = _mm256_madd_epi16(pairs, both([GREEN_OF_CB as i16, GREEN_OF_CR as i16]));
        _mm256_srai_epi32::<16>(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << 15)))
    };
    let green =
        _mm256_packs_epi32(green_of(_mm256_unpacklo_epi16(blue, red)), green_of(_mm256_unpackhi_epi16(blue, red)));
    let red_of = _mm256_add_epi16(red, rounded(red, RED_OF_CR));
    let blue_of = _mm256_add_epi16(_mm256_add_epi16(blue, blue), rounded(blue, BLUE_OF_CB));
    let sums = [red_of, _mm256_sub_epi16(green, red), blue_of];
    let mut bytes = [_mm_setzero_si128(); 3];
    for (bytes, sum) in bytes.iter_mut().zip(sums) {
        let sum = _mm256_add_epi16(luma, sum);
        *bytes = _mm_packus_epi16(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    }
    bytes
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_rgb(pixels: &mut [u8; 3 * PIXELS], [red, green, blue]: [__m128i; 3]) {
    // For each third of the bytes, which sample of a colour goes where; the others have nothing there.
    const fn places(third: usize, colour: usize) -> [i8; 16] {
        let mut places = [-1; 16];
        let mut byte = 0;
        while byte < 16 {
            let at = 16 * third + byte;
            if at % 3 == colour {
                places[byte] = (at / 3) as i8;
            }
            byte += 1;
        }
        places
    }
    const PLACES: [[[i8; 16]; 3]; 3] = [
        [places(0, 0), places(0, 1), places(0, 2)],
        [places(1, 0), places(1, 1), places(1, 2)],
        [places(2, 0), places(2, 1), places(2, 2)],
    ];
    for (third, places) in pixels.as_chunks_mut::<16>().0.iter_mut().zip(&PLACES) {
        let placed = |samples: __m128i, places: &[i8; 16]| {
            // SAFETY: a reference to 16 bytes.
            _mm_shuffle_epi8(samples, unsafe { _mm_loadu_si128(places.as_ptr().cast()) })
        };
        let bytes =
            _mm_or_si128(_mm_or_si128(placed(red, &places[0]), placed(green, &places[1])), placed(blue, &places[2]));
        // SAFETY: a reference to 16 bytes.
        unsafe { _mm_storeu_si128(third.as_mut_ptr().cast(), bytes) };
    }
}

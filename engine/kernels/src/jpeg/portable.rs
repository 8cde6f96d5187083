//! For every CPU: eight columns, or rows, side by side.

use super::Component;
use super::bits::Bits;
use super::decode::decode_block;
use super::transform::*;

/// What a column or a row has at one place, of all eight.
type Lanes = [i32; 8];

#[derive(Debug)]
pub(super) struct Portable;

impl Transform for Portable {
    #[inline(never)]
    unsafe fn decode_block(
        bits: &mut Bits<'_>,
        component: &Component,
        first: &mut i32,
        block: &mut Block,
    ) -> Option<()> {
        decode_block(bits, component, first, block)
    }

    #[inline(always)]
    unsafe fn block_8(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize) {
        let columns = sums_8(&numbers(coefficients, factors), FIRST_SHIFT_8);
        let rows = sums_8(&turned(&columns), LAST_SHIFT_8);
        store(&turned(&rows), 8, samples, stride);
    }

    #[inline(always)]
    unsafe fn block_4(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize) {
        let columns = sums_4(&numbers(coefficients, factors), FIRST_SHIFT_4);
        let rows = sums_4(&turned(&columns), LAST_SHIFT_4);
        store(&turned(&rows), 4, samples, stride);
    }

    #[inline(always)]
    unsafe fn block_2(coefficients: &Block, factors: &Block, samples: &mut [u8], stride: usize) {
        let columns = sums_2(&numbers(coefficients, factors), FIRST_SHIFT_2);
        let rows = sums_2(&turned(&columns), LAST_SHIFT_2);
        store(&turned(&rows), 2, samples, stride);
    }

    #[inline(always)]
    unsafe fn rgb(luma: &[u8], blue: &[u8], red: &[u8], rgb: &mut [u8]) {
        let colours = blue.iter().zip(red);
        for ((pixel, &luma), (&blue, &red)) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(luma).zip(colours) {
            let (luma, blue, red) = (i32::from(luma), i32::from(blue) - 128, i32::from(red) - 128);
            let rounded = |sum: i32| (sum + (1 << 15)) >> 16;
            *pixel = [
                luma + red + rounded(RED_OF_CR * red),
                luma - red + rounded(GREEN_OF_CB * blue + GREEN_OF_CR * red),
                luma + 2 * blue + rounded(BLUE_OF_CB * blue),
            ]
            .map(|colour| colour.clamp(0, 255) as u8);
        }
    }
}

#[inline(always)]
fn numbers(coefficients: &Block, factors: &Block) -> [Lanes; 8] {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            let at = 8 * row + column;
            i32::from(coefficients[at].wrapping_mul(factors[at]))
        })
    })
}

/// The sum of inputs times factors.
#[inline(always)]
fn sum<const N: usize>(inputs: [&Lanes; N], factors: [i16; N]) -> Lanes {
    let mut sums = [0_i32; 8];
    for (input, factor) in inputs.into_iter().zip(factors) {
        for (sum, &input) in sums.iter_mut().zip(input) {
            *sum = sum.wrapping_add(input.wrapping_mul(i32::from(factor)));
        }
    }
    sums
}

/// The sum and the difference of an even and an odd part, rounded; within 16 bits, as registers keep them.
#[inline(always)]
fn ends(even: Lanes, odd: Lanes, shift: i32) -> [Lanes; 2] {
    let rounded = |sum: i32| {
        let sum = sum.wrapping_add(1 << (shift - 1)) >> shift;
        sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
    };
    [
        std::array::from_fn(|lane| rounded(even[lane].wrapping_add(odd[lane]))),
        std::array::from_fn(|lane| rounded(even[lane].wrapping_sub(odd[lane]))),
    ]
}

#[inline(always)]
fn plus(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
}

#[inline(always)]
fn minus(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane].wrapping_sub(b[lane]))
}

#[inline(always)]
fn sums_8(inputs: &[Lanes; 8], shift: i32) -> [Lanes; 8] {
    let [i0, i1, i2, i3, i4, i5, i6, i7] = inputs;
    let a = EVEN_04.map(|factors| sum([i0, i4], factors));
    let b = EVEN_26.map(|factors| sum([i2, i6], factors));
    let even = [plus(a[0], b[0]), plus(a[1], b[1]), minus(a[1], b[1]), minus(a[0], b[0])];
    let odd = ODD.map(|factors| sum([i1, i3, i5, i7], factors));
    let mut outputs = [[0; 8]; 8];
    for place in 0..4 {
        [outputs[place], outputs[7 - place]] = ends(even[place], odd[place], shift);
    }
    outputs
}

#[inline(always)]
fn sums_4(inputs: &[Lanes; 8], shift: i32) -> [Lanes; 8] {
    let [i0, i1, i2, i3, _, i5, i6, i7] = inputs;
    let (a, b) = (sum([i0], [EVEN_OF_4[0]]), sum([i2, i6], [EVEN_OF_4[1], EVEN_OF_4[2]]));
    let even = [plus(a, b), minus(a, b)];
    let odd = ODD_OF_4.map(|factors| sum([i1, i3, i5, i7], factors));
    let mut outputs = [[0; 8]; 8];
    for place in 0..2 {
        [outputs[place], outputs[3 - place]] = ends(even[place], odd[place], shift);
    }
    outputs
}

#[inline(always)]
fn sums_2(inputs: &[Lanes; 8], shift: i32) -> [Lanes; 8] {
    let [i0, i1, _, i3, _, i5, _, i7] = inputs;
    let even = i0.map(|input| input << EVEN_SHIFT_OF_2);
    let mut outputs = [[0; 8]; 8];
    [outputs[0], outputs[1]] = ends(even, sum([i1, i3, i5, i7], ODD_OF_2), shift);
    outputs
}

/// Rows as columns.
#[inline(always)]
fn turned(rows: &[Lanes; 8]) -> [Lanes; 8] {
    std::array::from_fn(|row| std::array::from_fn(|column| rows[column][row]))
}

#[inline(always)]
fn store(rows: &[Lanes; 8], side: usize, samples: &mut [u8], stride: usize) {
    for (row, numbers) in rows.iter().enumerate().take(side) {
        for (to, &number) in samples[row * stride..][..side].iter_mut().zip(numbers) {
            *to = sample(number);
        }
    }
}

//! Registers of f32, by what the CPU offers. Kernels are written once over [`Lanes`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod bf16;
#[cfg(target_arch = "x86_64")]
mod f16;
#[cfg(target_arch = "x86_64")]
mod half_weights;
#[cfg(target_arch = "x86_64")]
mod int8;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod products;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
#[cfg(target_arch = "x86_64")]
pub(super) use bf16::{Bf16, Halves};
#[cfg(target_arch = "x86_64")]
pub(super) use f16::{F16, Int8ToF16};
#[cfg(target_arch = "x86_64")]
pub(super) use half_weights::HalfWeights;
#[cfg(target_arch = "x86_64")]
pub(super) use int8::Int8;
#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
pub(super) use portable::Portable;
pub(super) use products::{Pieces, Products, Put, Register, Single, Steps, nearest};

/// No register has more numbers.
pub(super) const MOST_LANES: usize = 16;

/// A register of f32, which may be several of the CPU's, and what is done with it.
///
/// Everything here is inlined into the functions that [`with_lanes`] makes, which have the instructions enabled; there
/// alone it compiles to them.
///
/// # Safety
/// For all of them: the CPU has the instructions.
pub(super) trait Lanes: Copy {
    /// Numbers in a register: the channels of a block.
    const LANES: usize;
    /// How many there are.
    const REGISTERS: usize;
    /// Pixels of the largest tile: its sums for two blocks of channels, with what they are made of, fill the registers.
    const PIXELS: usize = (Self::REGISTERS - 3) / 2;
    type Register: Copy;

    unsafe fn splat(number: f32) -> Self::Register;
    /// # Safety
    /// `LANES` numbers can be read there.
    unsafe fn load(from: *const f32) -> Self::Register;
    /// # Safety
    /// `LANES` numbers can be written there.
    unsafe fn store(to: *mut f32, numbers: Self::Register);
    /// Asks for the cache line at a place that may be read soon, or not at all.
    #[inline(always)]
    fn prefetch(_: *const f32) {}
    /// `a · b + c`, rounded once where there is an instruction for it.
    unsafe fn multiply_add(a: Self::Register, b: Self::Register, c: Self::Register) -> Self::Register;
    unsafe fn add(a: Self::Register, b: Self::Register) -> Self::Register;
    unsafe fn subtract(a: Self::Register, b: Self::Register) -> Self::Register;
    unsafe fn multiply(a: Self::Register, b: Self::Register) -> Self::Register;
    unsafe fn divide(a: Self::Register, b: Self::Register) -> Self::Register;
    /// Which of two numbers it gives where one is NaN is left open.
    unsafe fn max(a: Self::Register, b: Self::Register) -> Self::Register;
    /// Likewise.
    unsafe fn min(a: Self::Register, b: Self::Register) -> Self::Register;
    /// `a · 2^n`, for the whole number n that the lowest 9 bits of `n` hold.
    unsafe fn scale_by_power(a: Self::Register, n: Self::Register) -> Self::Register;

    /// `exp(x)` within 2 units in the last place; for numbers out of ±87 as for those bounds.
    #[inline(always)]
    unsafe fn exp(x: Self::Register) -> Self::Register {
        // SAFETY: the caller has the instructions.
        unsafe {
            let x = Self::min(Self::max(x, Self::splat(-87.0)), Self::splat(87.0));
            // Adding 1.5 · 2^23 leaves the nearest whole number in the lowest bits.
            let round = Self::splat(12_582_912.0);
            let shifted = Self::multiply_add(x, Self::splat(std::f32::consts::LOG2_E), round);
            let n = Self::subtract(shifted, round);
            // ln 2 in two parts, the first exact in few bits (Cephes, expf).
            let rest = Self::multiply_add(n, Self::splat(-0.693_359_4), x);
            let rest = Self::multiply_add(n, Self::splat(2.121_944_4e-4), rest);
            let mut sum = Self::splat(1.987_569_1e-4);
            for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
                sum = Self::multiply_add(sum, rest, Self::splat(coefficient));
            }
            let square = Self::multiply(rest, rest);
            let sum = Self::add(Self::multiply_add(sum, square, rest), Self::splat(1.0));
            Self::scale_by_power(sum, shifted)
        }
    }
}

/// Makes a function that runs `$kernel` over the lanes of any [`Instructions`](crate::Instructions) that the CPU has.
macro_rules! with_lanes {
    ($(#[$attribute:meta])* $name:ident = $kernel:ident($($argument:ident: $type:ty),* $(,)?)) => {
        $(#[$attribute])*
        pub(in crate::network) unsafe fn $name(instructions: $crate::Instructions, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
            unsafe fn avx512($($argument: $type),*) {
                // SAFETY: the caller's word on the arguments; the instructions are enabled.
                unsafe { $kernel::<$crate::network::lanes::Avx512>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($argument: $type),*) {
                // SAFETY: the caller's word on the arguments; the instructions are enabled.
                unsafe { $kernel::<$crate::network::lanes::Avx2>($($argument),*) }
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            unsafe fn neon($($argument: $type),*) {
                // SAFETY: the caller's word on the arguments; the instructions are enabled.
                unsafe { $kernel::<$crate::network::lanes::Neon>($($argument),*) }
            }
            // SAFETY: the caller's word on the arguments, and that the CPU has the instructions.
            unsafe {
                match instructions {
                    #[cfg(target_arch = "x86_64")]
                    $crate::Instructions::Avx512 | $crate::Instructions::Amx => avx512($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::Instructions::Avx2 => avx2($($argument),*),
                    #[cfg(target_arch = "aarch64")]
                    $crate::Instructions::Neon => neon($($argument),*),
                    _ => $kernel::<$crate::network::lanes::Portable>($($argument),*),
                }
            }
        }
    };
}
pub(super) use with_lanes;

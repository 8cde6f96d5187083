//! Which instructions there are to choose from.

/// Environment variable that forces [`Instructions`] by their [name](Instructions::name), to find out whether a fault
/// or a time comes from one of them.
pub const CPU_VARIABLE: &str = "FACERECOG_CPU";

/// Instructions that kernels are written for, each set faster than those before it that the same CPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// What every CPU has.
    Portable,
    /// NEON of 64-bit ARM: 32 registers of 16 bytes. Every such CPU has it.
    Neon,
    /// AVX2 and FMA: registers of 32 bytes. Every CPU that has them has BMI1, BMI2 and LZCNT as well.
    Avx2,
    /// AVX-512 F, BW, DQ, VL and VNNI: registers of 64 bytes, and products of bytes summed by fours.
    Avx512,
    /// AMX beside AVX-512 and AVX-512 BF16: tiles of 16 rows of 64 bytes. Products of f32 are those of two bfloat16 for
    /// each number, which together have 16 bits of its mantissa.
    Amx,
}

impl Instructions {
    /// All of them, the slowest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512, Self::Amx];

    /// `portable`, `neon`, `avx2`, `avx512` or `amx`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }

    /// Whether this CPU and its operating system have them.
    pub fn are_available(self) -> bool {
        match self {
            Self::Portable => true,
            // What is read as bytes here and as words there is in the order of the little end.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(not(target_arch = "aarch64"))]
            Self::Neon => false,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("lzcnt")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
                    && Self::Avx2.are_available()
            }
            #[cfg(target_arch = "x86_64")]
            Self::Amx => {
                Self::Avx512.are_available() && is_x86_feature_detected!("avx512bf16") && crate::amx::is_available()
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 | Self::Amx => false,
        }
    }

    /// Those that `forced` names, the value of [`CPU_VARIABLE`]. The fastest available without one, and for a value
    /// that cannot be heeded, which is logged.
    pub(crate) fn choose(forced: Option<&str>) -> Self {
        let mut available = Self::ALL.into_iter().rev().filter(|instructions| instructions.are_available());
        let named = forced.and_then(|name| available.clone().find(|instructions| instructions.name() == name));
        if let (Some(name), None) = (forced, named) {
            tracing::warn!(
                "{CPU_VARIABLE}={name}: this CPU offers no instructions of that name; \
                 portable, neon, avx2, avx512 and amx are known"
            );
        }
        named.or_else(|| available.next()).unwrap_or(Self::Portable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_forces_what_is_available() {
        for instructions in Instructions::ALL.into_iter().filter(|instructions| instructions.are_available()) {
            assert_eq!(Instructions::choose(Some(instructions.name())), instructions);
        }
    }

    #[test]
    fn a_variable_that_cannot_be_heeded_leaves_the_best() {
        let best = Instructions::choose(None);
        assert!(best.are_available());
        let missing = Instructions::ALL.into_iter().filter(|instructions| !instructions.are_available());
        for name in missing.map(Instructions::name).chain(["", "AVX2", "sse2", "portable "]) {
            assert_eq!(Instructions::choose(Some(name)), best);
        }
    }
}

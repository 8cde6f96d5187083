//! AMX: eight registers of up to 16 rows of 64 bytes, and products of two of them in one instruction.

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};
use std::sync::OnceLock;

/// Whether the CPU has AMX for bfloat16 and bytes, and the operating system lets this process use it: Linux does when
/// asked, once. It says no where a thread has too small a stack for signals.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| is_there() && is_permitted())
}

fn is_there() -> bool {
    /// AMX-BF16, AMX-TILE and AMX-INT8 in EDX of leaf 7 (Intel, Software Developer's Manual, volume 2, CPUID).
    const FEATURES: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    /// What the operating system saves of the tiles: their configuration and their contents (volume 1, 13.3).
    const STATES: u64 = 1 << 17 | 1 << 18;
    if !is_x86_feature_detected!("xsave") {
        return false;
    }
    #[target_feature(enable = "xsave")]
    fn states() -> u64 {
        // SAFETY: register 0 is there on every CPU that has the instruction.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: the CPU has the instruction.
    let are_saved = || unsafe { states() } & STATES == STATES;
    // Leaf 7 is there on every CPU with AVX-512.
    __cpuid_count(7, 0).edx & FEATURES == FEATURES && are_saved()
}

#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    /// `arch_prctl`, and what it takes to ask for the contents of tiles (Linux, `arch/x86/include/uapi/asm/prctl.h`).
    const ARCH_PRCTL: usize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XFEATURE_XTILEDATA: usize = 18;
    let answer: isize;
    // SAFETY: this system call reads and writes no memory of the process; the two registers it changes are named.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

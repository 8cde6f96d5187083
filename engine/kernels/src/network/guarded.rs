//! Memory between pages that nothing may touch, in place of the memory of tests: a number too far is a fault.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

const PAGE: usize = 4096;

/// Which page the numbers lie against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The one before them.
    Begin,
    /// The one after them.
    End,
}

thread_local! {
    static SIDE: Cell<Side> = const { Cell::new(Side::End) };
}

/// Where this thread puts what it allocates from now on.
pub(super) fn put_against(side: Side) {
    SIDE.set(side);
}

/// Numbers, no more than asked for.
#[derive(Debug)]
pub(super) struct Memory {
    pages: NonNull<c_void>,
    bytes: usize,
    begin: NonNull<f32>,
    count: usize,
}

// SAFETY: nothing but this reads or frees the pages.
unsafe impl Send for Memory {}
// SAFETY: through a shared reference they are only read.
unsafe impl Sync for Memory {}

impl Memory {
    pub(super) fn zeros(count: usize) -> Self {
        let inner = (count * size_of::<f32>()).next_multiple_of(PAGE);
        let bytes = inner + 2 * PAGE;
        // SAFETY: new pages, the outer two of which become untouchable.
        unsafe {
            let pages =
                mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
                    .unwrap();
            mprotect(pages, PAGE, MprotectFlags::empty()).unwrap();
            mprotect(pages.byte_add(PAGE + inner), PAGE, MprotectFlags::empty()).unwrap();
            let begin = match SIDE.get() {
                Side::Begin => pages.byte_add(PAGE),
                Side::End => pages.byte_add(PAGE + inner - count * size_of::<f32>()),
            };
            Self { pages: NonNull::new(pages).unwrap(), bytes, begin: NonNull::new(begin.cast()).unwrap(), count }
        }
    }

    pub(super) fn numbers(&self) -> &[f32] {
        // SAFETY: so many numbers are between the outer pages.
        unsafe { std::slice::from_raw_parts(self.begin.as_ptr(), self.count) }
    }

    pub(super) fn numbers_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `numbers`.
        unsafe { std::slice::from_raw_parts_mut(self.begin.as_ptr(), self.count) }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::zeros(0)
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Self::from_slice(self.numbers())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the pages are this memory's own.
        unsafe { munmap(self.pages.as_ptr(), self.bytes).unwrap() };
    }
}

#[test]
fn a_number_too_far_is_a_fault() {
    if let Ok(place) = std::env::var("GUARDED_PLACE") {
        let (side, place) = if place == "begin" { (Side::Begin, -1) } else { (Side::End, 3) };
        put_against(side);
        let memory = Memory::zeros(3);
        // SAFETY: none; this is the fault that is expected.
        let number = unsafe { memory.begin.as_ptr().offset(place).read_volatile() };
        panic!("{number} was read");
    }
    for place in ["begin", "end"] {
        let status = this_program()
            .args(["--exact", "network::guarded::a_number_too_far_is_a_fault"])
            .env("GUARDED_PLACE", place)
            .output()
            .unwrap()
            .status;
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(11), "{place}: {status}");
    }
}

/// Emulated, programs start only by what cargo starts them with.
fn this_program() -> std::process::Command {
    let program = std::env::current_exe().unwrap();
    let emulator = std::env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").unwrap_or_default();
    let mut words = emulator.split_whitespace().filter(|_| cfg!(target_arch = "aarch64"));
    let Some(first) = words.next() else { return std::process::Command::new(program) };
    let mut command = std::process::Command::new(first);
    command.args(words).arg(program);
    command
}

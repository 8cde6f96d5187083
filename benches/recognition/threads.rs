//! On how many threads something is measured.

use criterion::Bencher;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Measures `work` on one thread, also what it would spread over many.
pub(crate) fn one<T>(bencher: &mut Bencher<'_>, work: impl Fn() -> T + Sync) {
    // Inside the pool, so that waking its thread is not part of what is measured.
    pool(1).install(|| bencher.iter(&work));
}

/// Measures `work` on as many threads as there are cores.
pub(crate) fn all<T>(bencher: &mut Bencher<'_>, work: impl Fn() -> T + Sync) {
    pool(0).install(|| bencher.iter(&work));
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

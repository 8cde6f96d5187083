//! Threads for jobs: all of them for a photo that is alone, one each when there are several.
//!
//! In one pool for all, a thread that waits for a part of its photo takes up another photo meanwhile, and finishes
//! that first: some photos would take as long as two. With one thread each, none waits for another, and as much is
//! done.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Threads that take one job each.
#[derive(Debug, Clone)]
pub(super) struct Lanes(Arc<Mutex<Vec<Arc<ThreadPool>>>>);

/// A thread for one job, given back when it is dropped.
#[derive(Debug)]
struct Lane {
    lanes: Lanes,
    thread: Arc<ThreadPool>,
}

impl Lanes {
    /// As many threads as there are jobs at once. Where the system refuses some, jobs share the pool for all.
    pub(super) fn new(jobs: usize) -> Self {
        let thread =
            |number| ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| format!("lane-{number}")).build();
        let threads = (0..jobs).filter_map(|number| thread(number).ok()).map(Arc::new).collect();
        Self(Arc::new(Mutex::new(threads)))
    }

    /// Runs `job`, on all threads when it is `alone`.
    pub(super) fn spawn(&self, alone: bool, job: impl FnOnce() + Send + 'static) {
        match if alone { None } else { self.take() } {
            None => rayon::spawn(job),
            Some(lane) => Arc::clone(&lane.thread).spawn(move || {
                job();
                drop(lane);
            }),
        }
    }

    fn take(&self) -> Option<Lane> {
        let thread = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Lane { lanes: self.clone(), thread })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.lanes.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&self.thread));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_job_beside_others_has_one_thread_and_gives_it_back() {
        let lanes = Lanes::new(1);
        let (sender, width) = mpsc::channel();
        for _ in 0..3 {
            let sender = sender.clone();
            lanes.spawn(false, move || sender.send(rayon::current_num_threads()).unwrap());
            assert_eq!(width.recv().unwrap(), 1);
            while lanes.0.lock().unwrap().is_empty() {
                std::thread::yield_now();
            }
        }
        lanes.spawn(true, move || sender.send(rayon::current_num_threads()).unwrap());
        assert_eq!(width.recv().unwrap(), std::thread::available_parallelism().unwrap().get());
    }

    #[test]
    fn a_job_without_a_lane_runs_all_the_same() {
        let (sender, done) = mpsc::channel();
        Lanes::new(0).spawn(false, move || sender.send(()).unwrap());
        done.recv().unwrap();
    }
}

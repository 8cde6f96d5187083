//! Work on photos: off the network's threads, bounded, and unable to take the server down.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::telemetry::QueueNumbers;

/// When a refused caller may try again: about the time of a few photos.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Runs jobs on the rayon pool, a bounded number at a time.
#[derive(Debug, Clone)]
pub(super) struct Jobs {
    places: Arc<Semaphore>,
    total: usize,
}

impl Jobs {
    /// As many at once as the pool has threads, and `queue_length` that wait.
    pub(super) fn new(queue_length: usize) -> Self {
        Self::with_places((rayon::current_num_threads() + queue_length).min(Semaphore::MAX_PERMITS))
    }

    fn with_places(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), total: places }
    }

    /// The photos here now.
    pub(super) fn numbers(&self) -> QueueNumbers {
        let taken = self.total - self.places.available_permits();
        let running = taken.min(rayon::current_num_threads());
        QueueNumbers { waiting: (taken - running) as u64, running: running as u64 }
    }

    /// A place in the queue, held until it is dropped; UNAVAILABLE when there is none.
    pub(super) fn place(&self) -> Result<Place, Status> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Ok(Place(permit)),
            Err(_) => Err(Status::with_error_details(
                Code::Unavailable,
                "the server is busy; try again",
                ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
            )),
        }
    }
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held for its drop")] tokio::sync::OwnedSemaphorePermit);

impl Place {
    /// Runs `job` on the pool and waits for its result. The place stays taken until the job is done,
    /// even when nobody waits any more; a job whose caller left before it began is not begun. A panic
    /// becomes INTERNAL.
    pub(super) async fn run<R: Send + 'static>(self, job: impl FnOnce() -> R + Send + 'static) -> Result<R, Status> {
        let (sender, receiver) = oneshot::channel();
        rayon::spawn(move || {
            let _place = self;
            if sender.is_closed() {
                return;
            }
            // The job owns what it works on, or shares it read-only: nothing half-done is seen after.
            if let Ok(result) = catch_unwind(AssertUnwindSafe(job)) {
                // An error says that the caller has left meanwhile.
                let _ = sender.send(result);
            }
        });
        receiver.await.map_err(|_| Status::internal("the photo could not be processed: internal error"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_fails_one_job_alone() {
        let jobs = Jobs::with_places(1);
        let status = jobs.place().unwrap().run(|| panic!("on purpose")).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(jobs.place().unwrap().run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_says_when_to_come_back() {
        let jobs = Jobs::with_places(1);
        let place = jobs.place().unwrap();
        let status = jobs.place().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.get_details_retry_info().is_some());
        drop(place);
        assert!(jobs.place().is_ok());
    }
}

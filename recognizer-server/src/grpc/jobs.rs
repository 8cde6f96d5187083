//! Work on photos: off the network's threads, bounded, in order, and unable to take the server down.
//!
//! A call takes a place, waits for its turn, and runs as one job on the rayon pool, of which no more
//! run at once than the pool has threads. Whoever gives up, by dropping the future, frees the place:
//! at once while waiting, else when the job next asks whether anybody still waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tonic::{Code, Status};

use super::retry_times::RetryTimes;
use super::service_time::ServiceTime;
use super::stages::Stages;
use super::status::{busy, deadline_exceeded, refusal};

use crate::telemetry::Metrics;

/// Photos of streams for each thread of the pool: one that runs and one that follows at once. The
/// others wait in their streams, so that these cannot take the queue from single calls.
const STREAMED_PER_THREAD: usize = 2;

/// Runs jobs on the rayon pool, a bounded number at a time, first come, first served.
#[derive(Debug, Clone)]
pub(super) struct Jobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    width: usize,
    queue_length: usize,
    /// Single calls that wait or run.
    places: Arc<Semaphore>,
    /// Photos of streams that wait for a turn or run.
    stream_places: Arc<Semaphore>,
    /// Jobs that run.
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    running: AtomicUsize,
    service_time: ServiceTime,
    retry_times: RetryTimes,
    metrics: Metrics,
}

/// How busy the pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobStats {
    /// Jobs that can run at once.
    pub(crate) width: usize,
    /// Single calls that may wait besides.
    pub(crate) queue_length: usize,
    /// Jobs that wait for their turn.
    pub(crate) waiting: usize,
    /// Jobs that run.
    pub(crate) running: usize,
    /// What a job takes of late; zero before the first.
    pub(crate) service_time: Duration,
}

impl Jobs {
    /// Runs `width` jobs at once, at most the threads of the rayon pool, and lets `queue_length`
    /// calls wait besides.
    pub(super) fn new(width: usize, queue_length: usize, metrics: Metrics) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self(Arc::new(Shared {
            width,
            queue_length,
            places: semaphore(width + queue_length),
            stream_places: semaphore(width * STREAMED_PER_THREAD),
            turns: semaphore(width),
            waiting: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            service_time: ServiceTime::default(),
            retry_times: RetryTimes::default(),
            metrics,
        }))
    }

    /// A place in the queue for a call to be answered by `deadline`.
    ///
    /// DEADLINE_EXCEEDED when that has passed. UNAVAILABLE when the queue is full, or so long that the
    /// call would be answered too late.
    pub(super) fn place(&self, deadline: Instant) -> Result<Place, Status> {
        let now = Instant::now();
        if deadline <= now {
            return Err(deadline_exceeded());
        }
        let stats = self.stats();
        let Ok(permit) = Arc::clone(&self.0.places).try_acquire_owned() else {
            tracing::debug!(stats.waiting, stats.running, "queue full");
            return Err(busy("queue_full", "the server is busy; try again", self.retry_after(now, &stats)));
        };
        let wait = stats.wait();
        // An idle server tries whatever there is time left for: the mean is no more than a guess.
        if !wait.is_zero() && now + wait + stats.service_time > deadline {
            tracing::debug!(stats.waiting, stats.running, ?wait, "queue too long for the deadline");
            let message = "the server is too busy to answer within the deadline; try again";
            return Err(busy("queue_too_long", message, self.retry_after(now, &stats)));
        }
        Ok(self.waiting_in(permit))
    }

    /// A place for a photo of a stream, as soon as there is one.
    pub(super) async fn stream_place(&self) -> Place {
        let permit = Arc::clone(&self.0.stream_places).acquire_owned().await;
        self.waiting_in(permit.expect("the semaphore is never closed"))
    }

    pub(super) fn stats(&self) -> JobStats {
        JobStats {
            width: self.0.width,
            queue_length: self.0.queue_length,
            waiting: self.0.waiting.load(Ordering::Relaxed),
            running: self.0.running.load(Ordering::Relaxed),
            service_time: self.0.service_time.mean(),
        }
    }

    /// Tells where the time of a photo went.
    pub(super) fn photo_done(&self, stages: &Stages) {
        stages.tell(&self.0.metrics);
    }

    fn retry_after(&self, now: Instant, stats: &JobStats) -> Duration {
        self.0.retry_times.next(now, stats.wait(), stats.service_time / stats.width as u32)
    }

    fn waiting_in(&self, permit: OwnedSemaphorePermit) -> Place {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Place { since: Instant::now(), waiting: Waiting(Arc::clone(&self.0)), permit }
    }
}

impl JobStats {
    /// How long a call that comes now will probably wait.
    fn wait(&self) -> Duration {
        let before = (self.waiting + self.running + 1).saturating_sub(self.width);
        self.service_time.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX)) / self.width as u32
    }
}

/// A place in the queue, held until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    since: Instant,
    waiting: Waiting,
    permit: OwnedSemaphorePermit,
}

impl Place {
    /// Runs `job` on the pool when its turn has come, and waits for its result.
    ///
    /// DEADLINE_EXCEEDED without a beginning when `deadline` can no longer be met. The place stays
    /// taken until the job is done, even when nobody waits any more; a job whose caller left before
    /// it began is not begun. A panic becomes INTERNAL.
    pub(super) async fn run<R: Send + 'static>(
        self,
        deadline: Instant,
        job: impl FnOnce(&Caller<'_>) -> Result<R, Status> + Send + 'static,
    ) -> Result<R, Status> {
        let shared = Arc::clone(&self.waiting.0);
        let (turn, expected) = match Arc::clone(&shared.turns).try_acquire_owned() {
            Ok(turn) => (turn, Duration::ZERO),
            Err(_) => {
                let turn = Arc::clone(&shared.turns).acquire_owned().await;
                (turn.expect("the semaphore is never closed"), shared.service_time.mean())
            }
        };
        if Instant::now() + expected >= deadline {
            return Err(deadline_exceeded());
        }
        let waited = self.since.elapsed();
        let running = Running::new(self, turn);
        let (sender, receiver) = oneshot::channel();
        rayon::spawn(move || {
            let done = (!sender.is_closed()).then(|| {
                let start = Instant::now();
                let caller = Caller { waited, has_left: &|| sender.is_closed() };
                // The job owns what it works on, or shares it read-only: nothing half-done is seen after.
                let done = catch_unwind(AssertUnwindSafe(|| job(&caller)));
                shared.service_time.add(start.elapsed());
                done
            });
            // Before the answer, so that whoever has it finds the place free.
            drop(running);
            if let Some(Ok(result)) = done {
                // An error says that the caller has left meanwhile.
                let _ = sender.send(result);
            }
        });
        receiver.await.unwrap_or_else(|_| {
            Err(refusal(Code::Internal, "internal", "the photo could not be processed: internal error"))
        })
    }
}

/// The one who waits for a job.
pub(super) struct Caller<'a> {
    /// How long the job waited for its turn.
    pub(super) waited: Duration,
    has_left: &'a dyn Fn() -> bool,
}

impl Caller<'_> {
    /// Between the stages of a job: an error when nobody waits for the result any more.
    pub(super) fn still_waits(&self) -> Result<(), Status> {
        if (self.has_left)() { Err(Status::cancelled("nobody waits for the answer")) } else { Ok(()) }
    }
}

/// Counts a job as waiting.
#[derive(Debug)]
struct Waiting(Arc<Shared>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a job as running, and holds its place and its turn.
#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Running {
    fn new(place: Place, turn: OwnedSemaphorePermit) -> Self {
        let shared = Arc::clone(&place.waiting.0);
        shared.running.fetch_add(1, Ordering::Relaxed);
        Self { shared, _place: place.permit, _turn: turn }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::Mutex;
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};

    use tonic_types::StatusExt;

    use super::super::retry_times::RETRY_AFTER;
    use super::*;

    fn jobs(width: usize, queue_length: usize) -> Jobs {
        Jobs::new(width, queue_length, Metrics::new("builtin"))
    }

    fn hour() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    fn reason(status: &Status) -> String {
        status.get_details_error_info().expect("details").reason
    }

    /// A job that runs until the sender is dropped.
    fn blocker() -> (mpsc::Sender<()>, impl FnOnce(&Caller<'_>) -> Result<(), Status> + Send + 'static) {
        let (sender, receiver) = mpsc::channel::<()>();
        (sender, move |_: &Caller<'_>| {
            let _ = receiver.recv();
            Ok(())
        })
    }

    async fn until(condition: impl Fn() -> bool) {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Polls a future once, so that it stands in its queue.
    fn begin<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_panic_fails_one_job_alone() {
        let jobs = jobs(1, 0);
        let panics = |_: &Caller<'_>| -> Result<(), Status> { panic!("on purpose") };
        let status = jobs.place(hour()).unwrap().run(hour(), panics).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(jobs.place(hour()).unwrap().run(hour(), |_| Ok(7)).await.unwrap(), 7);
        assert_eq!((jobs.stats().waiting, jobs.stats().running), (0, 0));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_says_when_to_come_back() {
        let jobs = jobs(1, 1);
        let _running = jobs.place(hour()).unwrap();
        let waiting = jobs.place(hour()).unwrap();
        let status = jobs.place(hour()).unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "queue_full"));
        assert!(status.get_details_retry_info().unwrap().retry_delay.unwrap() >= RETRY_AFTER.0);
        drop(waiting);
        assert!(jobs.place(hour()).is_ok());
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_the_width_and_first_come_is_first_served() {
        let jobs = jobs(1, 9);
        let (release, block) = blocker();
        let first = tokio::spawn(jobs.place(hour()).unwrap().run(hour(), block));
        until(|| jobs.stats().running == 1).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut others: Vec<_> = (0..9)
            .map(|number| {
                let (order, jobs) = (Arc::clone(&order), jobs.clone());
                let place = jobs.place(hour()).unwrap();
                Box::pin(place.run(hour(), move |_| {
                    order.lock().unwrap().push((number, jobs.stats().running));
                    Ok(())
                }))
            })
            .collect();
        for other in &mut others {
            assert!(begin(other.as_mut()).is_pending());
        }
        assert_eq!((jobs.stats().running, jobs.stats().waiting), (1, 9));
        drop(release);
        first.await.unwrap().unwrap();
        for other in others {
            other.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..9).map(|number| (number, 1)).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_frees_the_place_at_once_and_is_not_begun() {
        let jobs = jobs(1, 1);
        let (release, block) = blocker();
        let first = tokio::spawn(jobs.place(hour()).unwrap().run(hour(), block));
        until(|| jobs.stats().running == 1).await;
        let begun = Arc::new(AtomicUsize::new(0));
        let count = |begun: &Arc<AtomicUsize>| {
            let begun = Arc::clone(begun);
            move |_: &Caller<'_>| Ok(begun.fetch_add(1, Ordering::SeqCst))
        };
        let mut given_up = Box::pin(jobs.place(hour()).unwrap().run(hour(), count(&begun)));
        assert!(begin(given_up.as_mut()).is_pending());
        assert!(jobs.place(hour()).is_err());
        drop(given_up);
        let last = jobs.place(hour()).expect("the place is free").run(hour(), count(&begun));
        drop(release);
        first.await.unwrap().unwrap();
        last.await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_running_job_learns_that_its_caller_has_left() {
        let jobs = jobs(1, 0);
        let begun = Arc::new(AtomicUsize::new(0));
        let (sender, learned) = mpsc::channel();
        let wait_for_leave = {
            let begun = Arc::clone(&begun);
            move |caller: &Caller<'_>| -> Result<(), Status> {
                begun.fetch_add(1, Ordering::SeqCst);
                while caller.still_waits().is_ok() {
                    std::thread::yield_now();
                }
                sender.send(()).unwrap();
                Ok(())
            }
        };
        let running = tokio::spawn(jobs.place(hour()).unwrap().run(hour(), wait_for_leave));
        // A job that has its turn, but has not begun, would not be begun at all.
        until(|| begun.load(Ordering::SeqCst) == 1).await;
        running.abort();
        tokio::task::spawn_blocking(move || learned.recv().unwrap()).await.unwrap();
        until(|| jobs.stats().running == 0).await;
        assert!(jobs.place(hour()).is_ok());
    }

    #[tokio::test]
    async fn what_cannot_make_its_deadline_is_refused_or_not_begun() {
        let jobs = jobs(1, 9);
        assert_eq!(jobs.place(Instant::now()).unwrap_err().code(), Code::DeadlineExceeded);

        // A minute a job, so far.
        jobs.0.service_time.add(Duration::from_secs(60));
        let soon = Instant::now() + Duration::from_secs(30);
        let (release, block) = blocker();
        let first = tokio::spawn(jobs.place(soon).expect("an idle server tries").run(soon, block));
        until(|| jobs.stats().running == 1).await;
        let status = jobs.place(soon).unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "queue_too_long"));
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(RETRY_AFTER.1));

        let begin_never = |_: &Caller<'_>| -> Result<(), Status> { panic!("begun") };
        let mut late = Box::pin(jobs.place(hour()).unwrap().run(soon, begin_never));
        assert!(begin(late.as_mut()).is_pending());
        drop(release);
        first.await.unwrap().unwrap();
        // The quick job before has not brought the mean below half a minute.
        assert_eq!(late.await.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!((jobs.stats().waiting, jobs.stats().running), (0, 0));
    }

    #[tokio::test]
    async fn streams_wait_for_places_of_their_own() {
        let jobs = jobs(1, 1);
        let _calls = (jobs.place(hour()).unwrap(), jobs.place(hour()).unwrap());
        let streamed = [jobs.stream_place().await, jobs.stream_place().await];
        let mut third = Box::pin(jobs.stream_place());
        assert!(begin(third.as_mut()).is_pending());
        drop(streamed);
        third.await;
    }
}

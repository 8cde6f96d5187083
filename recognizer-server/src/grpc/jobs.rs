//! Work on photos: off the network's threads, bounded, in order, and unable to take the server down.
//!
//! A call takes a place, waits for its turn, and runs as one job on the pool, of which no more run at
//! once than the pool has threads. Whoever gives up, by dropping the future, frees the place: at once
//! while waiting, else when the job next asks whether anybody still waits for it.
//!
//! The queue is bounded twice: by the number of calls, and by the time that their photos will probably
//! take, which is that of as many photos of mean size. So those who wait behind large photos wait no
//! longer than the others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use facerecog_engine::job_pool::{self, JobPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tonic::{Code, Status};

use super::photo_cost::PhotoCost;
use super::retry_times::RetryTimes;
use super::stages::Stages;
use super::status::{busy, deadline_exceeded, refusal};

use crate::telemetry::Metrics;

/// Photos of streams for each thread of the pool: one that runs and one that follows at once. The
/// others wait in their streams, so that these cannot take the queue from single calls.
const STREAMED_PER_THREAD: usize = 2;

/// Runs jobs on a pool, a bounded number at a time, first come, first served.
#[derive(Debug, Clone)]
pub(super) struct Jobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: JobPool,
    queue_length: usize,
    /// Single calls that wait or run.
    places: Arc<Semaphore>,
    /// Photos of streams that wait for a turn or run.
    stream_places: Arc<Semaphore>,
    /// Jobs that run.
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    running: AtomicUsize,
    work: Work,
    photo_cost: PhotoCost,
    retry_times: RetryTimes,
    metrics: Metrics,
}

/// What photos will probably take, in nanoseconds of a thread.
#[derive(Debug, Default)]
struct Work {
    /// Those of single calls that wait for their turn.
    calls: AtomicU64,
    /// Those of streams that do.
    streamed: AtomicU64,
    /// Those that run, as if each had just begun.
    running: AtomicU64,
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
    /// Time that a job takes of late, of all threads together; zero before the first.
    pub(crate) service_time: Duration,
    /// How long a call that comes now will probably wait.
    wait: Duration,
}

impl Jobs {
    /// Runs as many jobs at once as `pool` has threads, and lets `queue_length` calls wait besides.
    pub(super) fn new(pool: JobPool, queue_length: usize, metrics: Metrics) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let width = pool.threads();
        Self(Arc::new(Shared {
            pool,
            queue_length,
            places: semaphore(width + queue_length),
            stream_places: semaphore(width * STREAMED_PER_THREAD),
            turns: semaphore(width),
            waiting: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            work: Work::default(),
            photo_cost: PhotoCost::default(),
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
        let permit = Arc::clone(&self.0.places).try_acquire_owned();
        let Some(permit) = permit.ok().filter(|_| !self.0.holds_enough_work()) else {
            tracing::debug!(stats.waiting, stats.running, "queue full");
            return Err(busy("queue_full", "the server is busy; try again", self.0.retry_after(now, &stats)));
        };
        // An idle server tries whatever there is time left for: the mean is no more than a guess.
        if !stats.wait.is_zero() && now + stats.wait + stats.service_time > deadline {
            tracing::debug!(stats.waiting, stats.running, ?stats.wait, "queue too long for the deadline");
            let message = "the server is too busy to answer within the deadline; try again";
            return Err(busy("queue_too_long", message, self.0.retry_after(now, &stats)));
        }
        Ok(self.waiting_in(permit, Asked::ByCall))
    }

    /// A place for a photo of a stream, as soon as there is one.
    pub(super) async fn stream_place(&self) -> Place {
        let permit = Arc::clone(&self.0.stream_places).acquire_owned().await;
        self.waiting_in(permit.expect("the semaphore is never closed"), Asked::InStream)
    }

    pub(super) fn stats(&self) -> JobStats {
        self.0.stats()
    }

    /// Tells where the time of a photo went.
    pub(super) fn photo_done(&self, stages: &Stages) {
        stages.tell(&self.0.metrics);
    }

    fn waiting_in(&self, permit: OwnedSemaphorePermit, asked: Asked) -> Place {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Place { since: Instant::now(), asked, waiting: Waiting(Arc::clone(&self.0)), permit }
    }
}

impl Shared {
    fn stats(&self) -> JobStats {
        let width = self.pool.threads();
        let (waiting, running) = (self.waiting.load(Ordering::Relaxed), self.running.load(Ordering::Relaxed));
        let service_time = self.photo_cost.mean();
        let wait = if waiting + running < width {
            Duration::ZERO
        } else {
            // Those that read their photos do not count as work yet.
            self.work.ahead().max(service_time) / width as u32
        };
        JobStats { width, queue_length: self.queue_length, waiting, running, service_time, wait }
    }

    /// Whether single calls that wait, and whatever runs, are as much work as a queue that is full of photos of mean
    /// size. Of those that run more is left than half, since large ones run longest: all of it is counted.
    fn holds_enough_work(&self) -> bool {
        let Some(mean) = self.photo_cost.settled_mean() else { return false };
        let bound = mean.saturating_mul(u32::try_from(self.queue_length).unwrap_or(u32::MAX));
        let calls = self.work.calls.load(Ordering::Relaxed);
        calls > 0 && Duration::from_nanos(calls + self.work.running.load(Ordering::Relaxed)) > bound
    }

    fn retry_after(&self, now: Instant, stats: &JobStats) -> Duration {
        self.retry_times.next(now, stats.wait, stats.service_time / stats.width as u32)
    }
}

impl Work {
    /// Of those that run, half is left in the mean.
    fn left_running(&self) -> Duration {
        Duration::from_nanos(self.running.load(Ordering::Relaxed) / 2)
    }

    /// Of all that was accepted.
    fn ahead(&self) -> Duration {
        let waiting = self.calls.load(Ordering::Relaxed) + self.streamed.load(Ordering::Relaxed);
        Duration::from_nanos(waiting) + self.left_running()
    }
}

/// Who wants a photo to be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByCall,
    InStream,
}

/// A place in the queue, held until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    since: Instant,
    asked: Asked,
    waiting: Waiting,
    permit: OwnedSemaphorePermit,
}

impl Place {
    /// Runs `read`, which may wait for files, off the network's threads. The place stays taken until it has ended,
    /// even when nobody waits any more. A panic becomes INTERNAL.
    pub(super) async fn read<R: Send + 'static>(
        self,
        read: impl FnOnce() -> Result<R, Status> + Send + 'static,
    ) -> Result<(Self, R), Status> {
        let done = tokio::task::spawn_blocking(move || Ok((self, read()?))).await;
        done.unwrap_or_else(|_| Err(internal_error()))
    }

    /// Runs `job`, on photos of `pixels` together, on the pool when its turn has come, and waits for its result.
    ///
    /// DEADLINE_EXCEEDED without a beginning when `deadline` can no longer be met. The place stays
    /// taken until the job is done, even when nobody waits any more; a job whose caller left before
    /// it began is not begun. A panic becomes INTERNAL.
    pub(super) async fn run<R: Send + 'static>(
        self,
        deadline: Instant,
        pixels: u64,
        job: impl FnOnce(&Caller<'_>) -> Result<R, Status> + Send + 'static,
    ) -> Result<R, Status> {
        let shared = Arc::clone(&self.waiting.0);
        let work = shared.photo_cost.estimate(pixels);
        let weight = Weight::new(&shared, self.asked, work);
        let (turn, expected) = match Arc::clone(&shared.turns).try_acquire_owned() {
            Ok(turn) => (turn, Duration::ZERO),
            Err(_) => {
                let turn = Arc::clone(&shared.turns).acquire_owned().await;
                (turn.expect("the semaphore is never closed"), work)
            }
        };
        if Instant::now() + expected >= deadline {
            return Err(deadline_exceeded());
        }
        let waited = self.since.elapsed();
        let running = Running::new(self, turn, weight);
        let (sender, receiver) = oneshot::channel();
        let ran = Arc::clone(&shared);
        shared.pool.spawn(move || {
            let done = (!sender.is_closed()).then(|| {
                let caller = Caller { waited, has_left: &|| sender.is_closed() };
                // The job owns what it works on, or shares it read-only: nothing half-done is seen after.
                let done = catch_unwind(AssertUnwindSafe(|| job(&caller)));
                // What fails takes less: nobody is turned away because somebody sends broken photos.
                if let Ok(Ok(_)) = &done {
                    ran.photo_cost.add(pixels, job_pool::thread_time());
                }
                done
            });
            // Before the answer, so that whoever has it finds the place free.
            drop(running);
            if let Some(Ok(result)) = done {
                // An error says that the caller has left meanwhile.
                let _ = sender.send(result);
            }
        });
        receiver.await.unwrap_or_else(|_| Err(internal_error()))
    }
}

fn internal_error() -> Status {
    refusal(Code::Internal, "internal", "the photo could not be processed: internal error")
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
    _weight: Weight,
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Running {
    fn new(place: Place, turn: OwnedSemaphorePermit, mut weight: Weight) -> Self {
        let shared = Arc::clone(&place.waiting.0);
        shared.running.fetch_add(1, Ordering::Relaxed);
        weight.runs();
        Self { shared, _weight: weight, _place: place.permit, _turn: turn }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts what a job will probably take.
#[derive(Debug)]
struct Weight {
    shared: Arc<Shared>,
    nanoseconds: u64,
    counted: fn(&Work) -> &AtomicU64,
}

impl Weight {
    fn new(shared: &Arc<Shared>, asked: Asked, work: Duration) -> Self {
        let counted: fn(&Work) -> &AtomicU64 = match asked {
            Asked::ByCall => |work| &work.calls,
            Asked::InStream => |work| &work.streamed,
        };
        // A year at most, so that no sum overflows.
        let nanoseconds = u64::try_from(work.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX >> 9);
        counted(&shared.work).fetch_add(nanoseconds, Ordering::Relaxed);
        Self { shared: Arc::clone(shared), nanoseconds, counted }
    }

    /// The job has its turn.
    fn runs(&mut self) {
        self.shared.work.running.fetch_add(self.nanoseconds, Ordering::Relaxed);
        (self.counted)(&self.shared.work).fetch_sub(self.nanoseconds, Ordering::Relaxed);
        self.counted = |work| &work.running;
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        (self.counted)(&self.shared.work).fetch_sub(self.nanoseconds, Ordering::Relaxed);
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
        Jobs::new(JobPool::new(width).unwrap(), queue_length, Metrics::new("builtin"))
    }

    /// Of every photo, where it does not matter.
    const PIXELS: u64 = 1000;

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
        let status = jobs.place(hour()).unwrap().run(hour(), PIXELS, panics).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(jobs.place(hour()).unwrap().run(hour(), PIXELS, |_| Ok(7)).await.unwrap(), 7);
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
        let first = tokio::spawn(jobs.place(hour()).unwrap().run(hour(), PIXELS, block));
        until(|| jobs.stats().running == 1).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut others: Vec<_> = (0..9)
            .map(|number| {
                let (order, jobs) = (Arc::clone(&order), jobs.clone());
                let place = jobs.place(hour()).unwrap();
                Box::pin(place.run(hour(), PIXELS, move |_| {
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
        let first = tokio::spawn(jobs.place(hour()).unwrap().run(hour(), PIXELS, block));
        until(|| jobs.stats().running == 1).await;
        let begun = Arc::new(AtomicUsize::new(0));
        let count = |begun: &Arc<AtomicUsize>| {
            let begun = Arc::clone(begun);
            move |_: &Caller<'_>| Ok(begun.fetch_add(1, Ordering::SeqCst))
        };
        let mut given_up = Box::pin(jobs.place(hour()).unwrap().run(hour(), PIXELS, count(&begun)));
        assert!(begin(given_up.as_mut()).is_pending());
        assert!(jobs.place(hour()).is_err());
        drop(given_up);
        let last = jobs.place(hour()).expect("the place is free").run(hour(), PIXELS, count(&begun));
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
        let running = tokio::spawn(jobs.place(hour()).unwrap().run(hour(), PIXELS, wait_for_leave));
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
        jobs.0.photo_cost.add(PIXELS, Duration::from_secs(60));
        let soon = Instant::now() + Duration::from_secs(30);
        let (release, block) = blocker();
        let first = tokio::spawn(jobs.place(soon).expect("an idle server tries").run(soon, PIXELS, block));
        until(|| jobs.stats().running == 1).await;
        let status = jobs.place(soon).unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "queue_too_long"));
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(RETRY_AFTER.1));

        let begin_never = |_: &Caller<'_>| -> Result<(), Status> { panic!("begun") };
        let mut late = Box::pin(jobs.place(hour()).unwrap().run(soon, PIXELS, begin_never));
        assert!(begin(late.as_mut()).is_pending());
        drop(release);
        first.await.unwrap().unwrap();
        // The quick job before has not brought the mean below half a minute.
        assert_eq!(late.await.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!((jobs.stats().waiting, jobs.stats().running), (0, 0));
    }

    #[tokio::test]
    async fn few_large_photos_fill_the_queue() {
        let jobs = jobs(1, 8);
        // 10 ms a photo of 1000 pixels.
        for pixels in [500, 1500].into_iter().cycle().take(64) {
            jobs.0.photo_cost.add(pixels, Duration::from_micros(10 * pixels));
        }
        let (release, block) = blocker();
        let first = tokio::spawn(jobs.place(hour()).unwrap().run(hour(), PIXELS, block));
        until(|| jobs.stats().running == 1).await;
        let wait = |pixels: u64| Box::pin(jobs.place(hour()).expect("not full").run(hour(), pixels, |_| Ok(())));
        // With the running one more than the work of eight photos.
        let mut large = wait(7_100);
        assert!(begin(large.as_mut()).is_pending());
        let status = jobs.place(hour()).unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "queue_full"));
        drop(large);
        let mut small: Vec<_> = (0..8).map(|_| wait(900)).collect();
        for small in &mut small {
            assert!(begin(small.as_mut()).is_pending());
        }
        drop(release);
        first.await.unwrap().unwrap();
        for small in small {
            small.await.unwrap();
        }
        assert_eq!(jobs.0.work.ahead(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_photo_is_let_in_however_large_when_nobody_waits() {
        let jobs = jobs(1, 1);
        (0..64).for_each(|_| jobs.0.photo_cost.add(1, Duration::from_micros(1)));
        let (release, block) = blocker();
        let first = tokio::spawn(jobs.place(hour()).unwrap().run(hour(), 1_000_000, block));
        until(|| jobs.stats().running == 1).await;
        let second = jobs.place(hour()).expect("nobody waits").run(hour(), 1_000_000, |_| Ok(()));
        drop(release);
        first.await.unwrap().unwrap();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_place_is_taken_as_long_as_its_photo_is_read() {
        let jobs = jobs(1, 0);
        let (release, blocked) = mpsc::channel::<()>();
        let mut reading = Box::pin(jobs.place(hour()).unwrap().read(move || {
            let _ = blocked.recv();
            Ok(())
        }));
        assert!(begin(reading.as_mut()).is_pending());
        drop(reading);
        assert!(jobs.place(hour()).is_err());
        drop(release);
        until(|| jobs.place(hour()).is_ok()).await;
        let panics = || -> Result<(), Status> { panic!("on purpose") };
        assert_eq!(jobs.place(hour()).unwrap().read(panics).await.unwrap_err().code(), Code::Internal);
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

//! Threads that work on a few jobs at once, together, the oldest first.
//!
//! One thread leads each job. What the job has that can be done in parts it hands out with [`share`], and whoever is
//! free takes a part of the oldest job that has one left; a new job is begun by a thread that finds none. Photos are
//! such jobs: of different size, and each to be done as soon after those before it as can be.
//!
//! A pool that steals work, as rayon's, is faster for one large job, but lets a thread that waits for the last part of
//! its job begin a whole other one meanwhile, so that a job may take as long as those that came after it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

thread_local! {
    /// The job that this thread leads.
    static LED: RefCell<Option<Led>> = const { RefCell::new(None) };
    /// Whether this thread is inside a part, which is not divided again.
    static IN_PART: Cell<bool> = const { Cell::new(false) };
}

/// The threads. Dropped, they end as soon as everything that was spawned is done; nobody waits for them.
#[derive(Debug)]
pub struct JobPool {
    shared: Arc<Shared>,
    threads: usize,
}

impl JobPool {
    /// Starts `threads` threads, at least one.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn new(threads: usize) -> io::Result<Self> {
        // Made first, so that threads which were started end when a later one is refused.
        let pool = Self { shared: Arc::default(), threads: threads.max(1) };
        for number in 0..pool.threads {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new().name(format!("photo-{number}")).spawn(move || shared.work())?;
        }
        Ok(pool)
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `job` when those spawned before it leave a thread free. A panic ends the job alone.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.shared.lock().jobs.push_back(Box::new(job));
        self.shared.changed.notify_all();
    }
}

impl Drop for JobPool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

/// Whether this thread leads a job or does a part of one.
pub fn is_inside() -> bool {
    IN_PART.get() || LED.with_borrow(Option::is_some)
}

/// Calls `part` with every number below `count`, each once, in no order, on this thread and others of its pool, and
/// returns when all calls have. Where [`is_inside`] is false, and inside of a part, all calls are made by this thread.
///
/// # Panics
/// When `part` does, with what the first of them said; the others are done nevertheless.
pub fn share(count: usize, part: &(dyn Fn(usize) + Sync)) {
    let led = if IN_PART.get() { None } else { LED.with_borrow(|led| led.as_ref().map(Led::job)) };
    match led {
        Some((shared, number)) if count > 1 => {
            let start = Instant::now();
            let done = shared.share(number, count, part);
            LED.with_borrow_mut(|led| {
                if let Some(led) = led {
                    led.elsewhere += start.elapsed();
                    led.parts += done.took;
                }
            });
            if let Some(panic) = done.panic {
                resume_unwind(panic);
            }
        }
        _ => (0..count).for_each(part),
    }
}

/// What the job that this thread leads has taken so far of all threads together; zero where there is none.
pub fn thread_time() -> Duration {
    LED.with_borrow(|led| led.as_ref().map(Led::thread_time)).unwrap_or_default()
}

/// A job that a thread leads.
struct Led {
    shared: Arc<Shared>,
    number: u64,
    begun: Instant,
    /// Time of the leader in [`share`]: for its own parts, for those of others, and for waiting.
    elsewhere: Duration,
    /// Time of all threads for the parts of the job.
    parts: Duration,
}

impl Led {
    fn job(&self) -> (Arc<Shared>, u64) {
        (Arc::clone(&self.shared), self.number)
    }

    fn thread_time(&self) -> Duration {
        self.begun.elapsed().saturating_sub(self.elsewhere) + self.parts
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something can be begun, or has ended.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// To be begun, the oldest first.
    jobs: VecDeque<Box<dyn FnOnce() + Send>>,
    begun: u64,
    /// What jobs have handed out, by the number of the job: the oldest first.
    shares: BTreeMap<u64, Share>,
    closed: bool,
}

/// Parts of one job.
struct Share {
    /// Valid as long as `unfinished` is not zero.
    part: &'static (dyn Fn(usize) + Sync),
    next: usize,
    count: usize,
    unfinished: usize,
    took: Duration,
    panic: Option<Panic>,
}

type Panic = Box<dyn Any + Send>;

/// Does away with what a panic carries, which the panic hook has told already. To drop it could panic once more.
fn forget(panic: Panic) {
    std::mem::forget(panic);
}

/// What became of the parts of a job.
struct Done {
    took: Duration,
    panic: Option<Panic>,
}

/// A part that a thread has taken, and has to do.
struct Taken {
    job: u64,
    part: &'static (dyn Fn(usize) + Sync),
    index: usize,
}

impl State {
    /// A part of the oldest job that has one.
    fn take(&mut self) -> Option<Taken> {
        let (&job, share) = self.shares.iter_mut().find(|(_, share)| share.next < share.count)?;
        share.next += 1;
        Some(Taken { job, part: share.part, index: share.next - 1 })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn work(self: Arc<Self>) {
        let mut state = self.lock();
        loop {
            if let Some(taken) = state.take() {
                drop(state);
                self.run(taken);
            } else if let Some(job) = state.jobs.pop_front() {
                state.begun += 1;
                let number = state.begun;
                drop(state);
                self.lead(number, job);
            } else if state.closed {
                return;
            } else {
                state = self.wait(state);
                continue;
            }
            state = self.lock();
        }
    }

    fn lead(self: &Arc<Self>, number: u64, job: Box<dyn FnOnce() + Send>) {
        let led = Led {
            shared: Arc::clone(self),
            number,
            begun: Instant::now(),
            elsewhere: Duration::ZERO,
            parts: Duration::ZERO,
        };
        LED.set(Some(led));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
            forget(panic);
        }
        LED.set(None);
    }

    /// Hands out the parts of job `number`, takes part, and returns when all are done.
    fn share(&self, number: u64, count: usize, part: &(dyn Fn(usize) + Sync)) -> Done {
        // SAFETY: only the lifetime is changed. The reference lies in `shares` and in the `Taken` made from it. This
        // function leaves the loop below, which does not panic, only after `unfinished` has become zero, which each
        // call to `part` counts down after it has returned or unwound (`run`), and no other `Taken` can be made then
        // since `next` has reached `count`. So the reference is not used any more when the borrow ends.
        let part = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(part) };
        let share = Share { part, next: 0, count, unfinished: count, took: Duration::ZERO, panic: None };
        let mut state = self.lock();
        state.shares.insert(number, share);
        self.changed.notify_all();
        loop {
            if state.shares.get(&number).is_none_or(|share| share.unfinished == 0) {
                break;
            }
            match state.take() {
                Some(taken) => {
                    drop(state);
                    self.run(taken);
                    state = self.lock();
                }
                None => state = self.wait(state),
            }
        }
        let share = state.shares.remove(&number);
        share.map_or(Done { took: Duration::ZERO, panic: None }, |share| Done { took: share.took, panic: share.panic })
    }

    fn run(&self, taken: Taken) {
        let start = Instant::now();
        IN_PART.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| (taken.part)(taken.index)));
        IN_PART.set(false);
        let took = start.elapsed();
        let mut state = self.lock();
        let Some(share) = state.shares.get_mut(&taken.job) else { return };
        share.unfinished -= 1;
        share.took += took;
        if let Err(panic) = result {
            match &share.panic {
                None => share.panic = Some(panic),
                Some(_) => forget(panic),
            }
        }
        if share.unfinished == 0 {
            self.changed.notify_all();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let (waiting, begun, sharing) = (state.jobs.len(), state.begun, state.shares.len());
        f.debug_struct("Shared").field("waiting", &waiting).field("begun", &begun).field("sharing", &sharing).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// Runs `job` on `pool` and waits for what it returns.
    fn run<R: Send + 'static>(pool: &JobPool, job: impl FnOnce() -> R + Send + 'static) -> R {
        let (sender, receiver) = mpsc::channel();
        pool.spawn(move || sender.send(job()).unwrap());
        receiver.recv().expect("the job does not panic")
    }

    /// A gate that is closed until it is opened.
    #[derive(Clone, Default)]
    struct Gate(Arc<(Mutex<bool>, Condvar)>);

    impl Gate {
        fn open(&self) {
            *self.0.0.lock().unwrap() = true;
            self.0.1.notify_all();
        }

        fn pass(&self) {
            drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |open| !*open).unwrap());
        }
    }

    fn squares(count: usize) -> Vec<usize> {
        let squares: Vec<_> = (0..count).map(|_| AtomicUsize::new(usize::MAX)).collect();
        share(count, &|number| {
            let before = squares[number].swap(number * number, Ordering::Relaxed);
            assert_eq!(before, usize::MAX, "done twice");
        });
        squares.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_part_is_done_once_wherever_it_is_asked_for() {
        let right = |count: usize| (0..count).map(|number| number * number).collect::<Vec<_>>();
        assert_eq!(squares(100), right(100));
        for threads in [1, 2, 5] {
            let pool = JobPool::new(threads).unwrap();
            for count in [0, 1, 2, 3, 100, 1000] {
                assert_eq!(run(&pool, move || squares(count)), right(count));
            }
        }
    }

    #[test]
    fn many_jobs_at_once_are_all_done() {
        let pool = JobPool::new(4).unwrap();
        let (sender, receiver) = mpsc::channel();
        for job in 0..500 {
            let sender = sender.clone();
            pool.spawn(move || sender.send((job, squares(job % 17), squares(3))).unwrap());
        }
        drop(sender);
        let mut done: Vec<_> = receiver.iter().collect();
        done.sort();
        assert_eq!(done.len(), 500);
        for (number, (job, squares, _)) in done.iter().enumerate() {
            assert_eq!((*job, squares.len()), (number, number % 17));
        }
    }

    #[test]
    fn parts_are_done_by_several_threads_at_once() {
        let pool = JobPool::new(2).unwrap();
        // Neither returns before the other has begun.
        run(&pool, || {
            let gates = [Gate::default(), Gate::default()];
            share(2, &|number| {
                gates[number].open();
                gates[1 - number].pass();
            });
        });
    }

    #[test]
    fn a_free_thread_takes_parts_of_the_oldest_job_before_it_begins_another() {
        let pool = JobPool::new(2).unwrap();
        let (begun, sharing) = (Gate::default(), Gate::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let (sender, done) = mpsc::channel();
        let note = |what: &'static str| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(what)
        };
        // The first job leads; the second holds the other thread until the first has handed out its parts.
        let first = {
            let (begun, sharing, note) = (begun.clone(), sharing.clone(), note("part of the first"));
            let sender = sender.clone();
            move || {
                begun.open();
                share(6, &|_| {
                    sharing.open();
                    note();
                });
                sender.send(()).unwrap();
            }
        };
        pool.spawn(first);
        begun.pass();
        let (second, third) = (sender.clone(), sender);
        pool.spawn(move || {
            sharing.pass();
            second.send(()).unwrap();
        });
        let note = note("third");
        pool.spawn(move || {
            note();
            third.send(()).unwrap();
        });
        (0..3).for_each(|_| done.recv().unwrap());
        let order = order.lock().unwrap();
        assert_eq!(order.len(), 7);
        // Both threads may have been in the last parts when nothing was left to take.
        assert!(order.iter().position(|what| *what == "third").unwrap() >= 5, "{order:?}");
    }

    #[test]
    fn a_leader_that_waits_begins_no_other_job() {
        let pool = JobPool::new(2).unwrap();
        let (held, begun) = (Gate::default(), Gate::default());
        let (sender, done) = mpsc::channel();
        let second_begun = Arc::new(AtomicUsize::new(0));
        let first = {
            let (held, begun, sender) = (held.clone(), begun.clone(), sender.clone());
            let leaders = Arc::new(Mutex::new(None));
            move || {
                *leaders.lock().unwrap() = Some(thread::current().id());
                share(2, &|_| {
                    // The part of the other thread is held up; the leader's returns at once.
                    if *leaders.lock().unwrap() != Some(thread::current().id()) {
                        begun.open();
                        held.pass();
                    } else {
                        begun.pass();
                    }
                });
                sender.send("first").unwrap();
            }
        };
        pool.spawn(first);
        begun.pass();
        let count = Arc::clone(&second_begun);
        pool.spawn(move || {
            count.fetch_add(1, Ordering::SeqCst);
            sender.send("second").unwrap();
        });
        // One thread is held up, the other waits for it: time enough for a mistake, none of it needed.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(second_begun.load(Ordering::SeqCst), 0);
        held.open();
        let mut done: Vec<_> = (0..2).map(|_| done.recv().unwrap()).collect();
        done.sort();
        assert_eq!(done, ["first", "second"]);
    }

    #[test]
    fn a_panic_in_a_part_reaches_the_job_after_all_parts_and_ends_no_thread() {
        let pool = JobPool::new(2).unwrap();
        for _ in 0..20 {
            let done = run(&pool, || {
                let done = AtomicUsize::new(0);
                let panic = catch_unwind(AssertUnwindSafe(|| {
                    share(10, &|number| {
                        assert_ne!(number, 3, "on purpose");
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                }));
                assert!(panic.is_err());
                done.into_inner()
            });
            assert_eq!(done, 9);
            pool.spawn(|| panic!("on purpose"));
        }
        assert_eq!(run(&pool, || squares(4)), [0, 1, 4, 9]);
    }

    #[test]
    fn parts_are_not_divided_again() {
        let pool = JobPool::new(3).unwrap();
        run(&pool, || {
            share(3, &|_| {
                let here = thread::current().id();
                assert!(is_inside());
                share(5, &|_| assert_eq!(thread::current().id(), here));
            });
        });
        assert!(!is_inside());
    }

    #[test]
    fn the_time_of_a_job_is_that_of_all_threads_and_of_no_other_job() {
        let pool = JobPool::new(2).unwrap();
        let (elapsed, time) = run(&pool, || {
            let begun = Instant::now();
            let gates = [Gate::default(), Gate::default()];
            share(2, &|number| {
                gates[number].open();
                gates[1 - number].pass();
                thread::sleep(Duration::from_millis(20));
            });
            (begun.elapsed(), thread_time())
        });
        assert!(time >= Duration::from_millis(40), "{time:?}");
        assert!(time <= 2 * elapsed, "{time:?} of {elapsed:?}");
        assert_eq!(thread_time(), Duration::ZERO);
    }

    #[test]
    fn what_was_spawned_is_done_after_the_pool_is_dropped() {
        let (sender, receiver) = mpsc::channel();
        let pool = JobPool::new(1).unwrap();
        for number in 0..10 {
            let sender = sender.clone();
            pool.spawn(move || sender.send(number).unwrap());
        }
        drop((pool, sender));
        assert_eq!(receiver.iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }
}

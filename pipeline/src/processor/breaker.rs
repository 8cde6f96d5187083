//! When calls to the recognizer are blocked: a state machine that is told the time, and waits for nothing.
//!
//! ```text
//! Closed ─ failures in a row ─► Open ─ wait is over, health call succeeds ─► HalfOpen ─ one photo succeeds ─► Closed
//!                                 ▲ │ health call fails: a longer wait          │
//!                                 └─┴───────────────── the photo fails ─────────┘
//! ```
//!
//! Only what the service does counts. A photo that the recognizer refuses is an answer, and a success here.

use std::time::{Duration, Instant};

/// How long to wait before asking again while the answer depends on another's call, not on time.
const SOON: Duration = Duration::from_millis(250);

/// When the circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it; at least 1.
    pub failures: u32,
    /// Wait before the first health call; doubled each time that the recognizer is still not well.
    pub first_wait: Duration,
    /// Longest wait.
    pub longest_wait: Duration,
}

/// Whether calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// All do.
    Closed,
    /// One does, to see how it goes.
    HalfOpen,
    /// None does.
    Open,
}

impl CircuitState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    /// Its name in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// How a call that was let through ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// The recognizer answered, be it that it refused the photo.
    Answered,
    /// The service failed.
    Failed,
    /// The call was not made after all.
    NotMade,
}

/// Leave to make one call. Its outcome counts only while the circuit is as it was when leave was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    era: u64,
}

/// The circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
    /// Grows with every change of state.
    era: u64,
    /// Waits since it was last closed.
    waits: u32,
    random: fastrand::Rng,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    HalfOpen { under_way: bool },
    Open { until: Instant },
}

impl Breaker {
    /// Closed. `seed` decides the jitter: processors with one of their own do not all come back at the same moment.
    pub fn new(policy: BreakerPolicy, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { policy, state: State::Closed { failures: 0 }, era: 0, waits: 0, random }
    }

    /// Whether calls go through.
    pub fn state(&self) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
            State::Open { .. } => CircuitState::Open,
        }
    }

    /// Leave to make a call, or how long to wait before asking again.
    pub fn permit(&mut self, now: Instant) -> Result<Permit, Duration> {
        match &mut self.state {
            State::Open { until } => return Err(until.saturating_duration_since(now).max(SOON)),
            State::HalfOpen { under_way: true } => return Err(SOON),
            State::HalfOpen { under_way } => *under_way = true,
            State::Closed { .. } => {}
        }
        Ok(Permit { era: self.era })
    }

    /// How the call of `permit` ended.
    pub fn ended(&mut self, permit: Permit, outcome: CallOutcome, now: Instant) {
        if permit.era != self.era {
            // Begun before the circuit changed: it tells of a time that is over.
            return;
        }
        match (self.state, outcome) {
            (State::Closed { .. }, CallOutcome::Answered) => self.state = State::Closed { failures: 0 },
            (State::Closed { failures }, CallOutcome::Failed) if failures + 1 < self.policy.failures => {
                self.state = State::Closed { failures: failures + 1 };
            }
            (State::Closed { .. } | State::HalfOpen { .. }, CallOutcome::Failed) => self.open(now),
            (State::HalfOpen { .. }, CallOutcome::Answered) => {
                self.waits = 0;
                self.change(State::Closed { failures: 0 });
            }
            (State::HalfOpen { .. }, CallOutcome::NotMade) => self.state = State::HalfOpen { under_way: false },
            (State::Closed { .. }, CallOutcome::NotMade) | (State::Open { .. }, _) => {}
        }
    }

    /// When to make a health call, and tell [`Self::probed`] of it; none while the circuit is not open.
    pub fn probe_at(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            _ => None,
        }
    }

    /// What a health call told.
    pub fn probed(&mut self, healthy: bool, now: Instant) {
        match self.state {
            State::Open { .. } if healthy => self.change(State::HalfOpen { under_way: false }),
            State::Open { .. } => self.open(now),
            _ => {}
        }
    }

    fn open(&mut self, now: Instant) {
        let longest = self.policy.longest_wait.max(self.policy.first_wait);
        let full = self.policy.first_wait.saturating_mul(2_u32.saturating_pow(self.waits)).min(longest);
        // Between half of it and all of it, so that each wait is longer than the one before.
        let wait = full.mul_f64(0.5 + 0.5 * self.random.f64());
        self.waits += 1;
        self.change(State::Open { until: now + wait });
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: BreakerPolicy =
        BreakerPolicy { failures: 5, first_wait: Duration::from_secs(2), longest_wait: Duration::from_secs(60) };

    /// A breaker with a clock that stands still until it is set forward.
    struct Bench {
        breaker: Breaker,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { breaker: Breaker::new(POLICY, 7), now: Instant::now() }
        }

        fn call(&mut self, outcome: CallOutcome) {
            let permit = self.breaker.permit(self.now).expect("a permit");
            self.breaker.ended(permit, outcome, self.now);
        }

        /// Goes on to the health call; how long the wait was.
        fn probe(&mut self, healthy: bool) -> Duration {
            let at = self.breaker.probe_at().expect("open");
            let wait = at - self.now;
            self.now = at;
            self.breaker.probed(healthy, self.now);
            wait
        }
    }

    #[test]
    fn what_happens_decides_the_state() {
        use CallOutcome::{Answered, Failed, NotMade};
        use CircuitState::{Closed, HalfOpen, Open};
        enum Step {
            Call(CallOutcome),
            Probe(bool),
        }
        use Step::{Call, Probe};
        let five = || vec![Call(Failed), Call(Failed), Call(Failed), Call(Failed), Call(Failed)];
        let after_five = |steps: Vec<Step>| five().into_iter().chain(steps).collect::<Vec<_>>();
        let cases = [
            ("nothing has happened", vec![], Closed),
            ("four failures", five().into_iter().skip(1).collect(), Closed),
            ("five failures", five(), Open),
            (
                "an answer between failures",
                vec![Call(Failed), Call(Failed), Call(Failed), Call(Failed), Call(Answered), Call(Failed)],
                Closed,
            ),
            (
                "a call that was not made says nothing",
                vec![Call(Failed), Call(Failed), Call(NotMade), Call(Failed), Call(Failed), Call(Failed)],
                Open,
            ),
            ("still not well", after_five(vec![Probe(false)]), Open),
            ("well again", after_five(vec![Probe(true)]), HalfOpen),
            ("the trial succeeds", after_five(vec![Probe(true), Call(Answered)]), Closed),
            ("the trial fails", after_five(vec![Probe(true), Call(Failed)]), Open),
            ("the trial is not made", after_five(vec![Probe(true), Call(NotMade)]), HalfOpen),
            (
                "one failure after closing does not open",
                after_five(vec![Probe(true), Call(Answered), Call(Failed)]),
                Closed,
            ),
        ];
        for (name, steps, expected) in cases {
            let mut bench = Bench::new();
            for step in steps {
                match step {
                    Call(outcome) => bench.call(outcome),
                    Probe(healthy) => {
                        bench.probe(healthy);
                    }
                }
            }
            assert_eq!(bench.breaker.state(), expected, "{name}");
        }
    }

    #[test]
    fn half_open_lets_one_through() {
        let mut bench = Bench::new();
        (0..5).for_each(|_| bench.call(CallOutcome::Failed));
        bench.probe(true);
        let trial = bench.breaker.permit(bench.now).expect("the trial");
        assert_eq!(bench.breaker.permit(bench.now), Err(SOON));
        bench.breaker.ended(trial, CallOutcome::Answered, bench.now);
        assert!(bench.breaker.permit(bench.now).is_ok() && bench.breaker.permit(bench.now).is_ok());
    }

    #[test]
    fn waits_grow_to_the_longest_and_begin_anew_once_closed() {
        let mut bench = Bench::new();
        (0..5).for_each(|_| bench.call(CallOutcome::Failed));
        let waits: Vec<_> = (0..10).map(|_| bench.probe(false)).collect();
        for (number, wait) in waits.iter().enumerate() {
            let full = Duration::from_secs((2 << number.min(5)).min(60));
            assert!(*wait >= full / 2 && *wait <= full, "{number}: {wait:?}");
        }
        bench.probe(true);
        bench.call(CallOutcome::Answered);
        (0..5).for_each(|_| bench.call(CallOutcome::Failed));
        assert!(bench.probe(true) <= POLICY.first_wait);
    }

    #[test]
    fn the_jitter_follows_the_seed() {
        let wait = |seed| {
            let now = Instant::now();
            let mut breaker = Breaker::new(POLICY, seed);
            for _ in 0..5 {
                let permit = breaker.permit(now).unwrap();
                breaker.ended(permit, CallOutcome::Failed, now);
            }
            breaker.probe_at().unwrap() - now
        };
        assert_eq!(wait(1), wait(1));
        assert_ne!(wait(1), wait(2));
    }

    #[derive(Debug, Clone)]
    enum Event {
        Ask,
        End(usize, u8),
        Wait(u16),
        Probe(bool),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            4 => Just(Event::Ask),
            4 => (any::<usize>(), prop_oneof![6 => Just(1_u8), 1 => Just(0), 1 => Just(2)])
                .prop_map(|(which, outcome)| Event::End(which, outcome)),
            1 => any::<u16>().prop_map(Event::Wait),
            2 => any::<bool>().prop_map(Event::Probe),
        ];
        proptest::collection::vec(event, 0..200)
    }

    proptest! {
        #[test]
        fn an_open_circuit_lets_nothing_through_and_always_closes_again(events in events(), seed: u64) {
            let mut breaker = Breaker::new(POLICY, seed);
            let mut now = Instant::now();
            let mut under_way: Vec<Permit> = Vec::new();
            let mut trials = 0_u32;
            for event in events {
                let before = (breaker.state(), breaker.era);
                match event {
                    Event::Ask => match (breaker.state(), breaker.permit(now)) {
                        (CircuitState::Open, Ok(_)) => prop_assert!(false, "a call went through an open circuit"),
                        (CircuitState::HalfOpen, Ok(permit)) => {
                            prop_assert_eq!(trials, 0, "a second trial");
                            trials = 1;
                            under_way.push(permit);
                        }
                        (_, Ok(permit)) => under_way.push(permit),
                        (CircuitState::Closed, Err(_)) => prop_assert!(false, "a closed circuit blocked a call"),
                        (_, Err(wait)) => prop_assert!(wait > Duration::ZERO && wait <= POLICY.longest_wait),
                    },
                    Event::End(which, outcome) if !under_way.is_empty() => {
                        let permit = under_way.swap_remove(which % under_way.len());
                        let outcome = [CallOutcome::Answered, CallOutcome::Failed, CallOutcome::NotMade][outcome as usize];
                        let stale = permit.era != breaker.era;
                        breaker.ended(permit, outcome, now);
                        if stale {
                            prop_assert_eq!(before, (breaker.state(), breaker.era), "a late outcome changed the state");
                        } else {
                            trials = 0;
                        }
                    }
                    Event::End(..) => {}
                    Event::Wait(milliseconds) => now += Duration::from_millis(milliseconds.into()),
                    Event::Probe(healthy) => {
                        if let Some(at) = breaker.probe_at() {
                            now = now.max(at);
                        }
                        breaker.probed(healthy, now);
                    }
                }
                if breaker.state() != CircuitState::HalfOpen {
                    trials = 0;
                }
            }
            // Whatever happened: a recognizer that is well again gets its photos.
            for permit in under_way {
                breaker.ended(permit, CallOutcome::Answered, now);
            }
            if let Some(at) = breaker.probe_at() {
                now = now.max(at);
                breaker.probed(true, now);
            }
            let permit = breaker.permit(now).expect("leave for a trial");
            breaker.ended(permit, CallOutcome::Answered, now);
            prop_assert_eq!(breaker.state(), CircuitState::Closed);
        }
    }
}

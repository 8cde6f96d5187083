//! The breaker at work: shared by all photos under way, with the health calls that an open circuit needs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::breaker::{Breaker, BreakerPolicy, CallOutcome, CircuitState, Permit};
use super::metrics::Metrics;
use crate::recognizer::Recognizer;

/// A circuit. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Circuit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    breaker: Mutex<Breaker>,
    opened: Notify,
    metrics: Metrics,
}

impl Circuit {
    pub(super) fn new(policy: BreakerPolicy, metrics: Metrics) -> Self {
        metrics.circuit_is(CircuitState::Closed);
        let breaker = Mutex::new(Breaker::new(policy, fastrand::u64(..)));
        Self(Arc::new(Inner { breaker, opened: Notify::new(), metrics }))
    }

    /// Leave to make one call, or how long to wait before asking again.
    pub(super) fn permit(&self) -> Result<Leave, Duration> {
        let permit = self.breaker().permit(Instant::now())?;
        Ok(Leave { circuit: self.clone(), permit: Some(permit) })
    }

    /// Makes the health calls of an open circuit, for ever.
    pub(super) async fn probe(self, recognizer: Recognizer) {
        loop {
            // Asked before it is waited for: a circuit that opens in between leaves its mark.
            let at = self.breaker().probe_at();
            let Some(at) = at else {
                self.0.opened.notified().await;
                continue;
            };
            tokio::time::sleep_until(at.into()).await;
            let healthy = recognizer.is_healthy().await;
            self.change(|breaker| breaker.probed(healthy, Instant::now()));
        }
    }

    fn ended(&self, permit: Permit, outcome: CallOutcome) {
        self.change(|breaker| breaker.ended(permit, outcome, Instant::now()));
    }

    fn change(&self, change: impl FnOnce(&mut Breaker)) {
        let (before, now, probe_at) = {
            let mut breaker = self.breaker();
            let before = (breaker.state(), breaker.probe_at());
            change(&mut breaker);
            (before, breaker.state(), breaker.probe_at())
        };
        if before == (now, probe_at) {
            return;
        }
        match (now, probe_at) {
            (CircuitState::Open, Some(until)) => {
                let wait = until.saturating_duration_since(Instant::now());
                tracing::warn!(wait_seconds = wait.as_secs_f64(), "the recognizer is not well: circuit open");
                self.0.opened.notify_one();
            }
            _ => tracing::info!(state = now.label(), "circuit"),
        }
        if before.0 != now {
            self.0.metrics.circuit_becomes(now);
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.0.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to make one call; dropped, the call was not made.
#[derive(Debug)]
pub(super) struct Leave {
    circuit: Circuit,
    permit: Option<Permit>,
}

impl Leave {
    /// The recognizer answered, be it that it refused the photo.
    pub(super) fn answered(mut self) {
        self.end(CallOutcome::Answered);
    }

    /// The service failed.
    pub(super) fn failed(mut self) {
        self.end(CallOutcome::Failed);
    }

    fn end(&mut self, outcome: CallOutcome) {
        if let Some(permit) = self.permit.take() {
            self.circuit.ended(permit, outcome);
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.end(CallOutcome::NotMade);
    }
}

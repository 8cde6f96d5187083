//! The numbers of a processor.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::breaker::CircuitState;
use crate::telemetry::Results;

/// Upper bounds of the classes of durations, in seconds: from a small photo to the longest wait for an answer.
const PHOTO_SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageEnd {
    /// Its photo has a person.
    Processed,
    /// Its photo has none, or was refused.
    Failed,
    /// Its photo was settled before, or is another processor's.
    Taken,
    /// It went back to the queue because the circuit is open.
    Blocked,
    /// It went back to the queue because its photo is not to be tried yet.
    Early,
    /// It went back to the queue because recognizer or database failed.
    Returned,
    /// It names no photo.
    Empty,
}

impl MessageEnd {
    const ALL: [Self; 7] =
        [Self::Processed, Self::Failed, Self::Taken, Self::Blocked, Self::Early, Self::Returned, Self::Empty];

    fn label(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Failed => "failed",
            Self::Taken => "taken",
            Self::Blocked => "blocked",
            Self::Early => "early",
            Self::Returned => "returned",
            Self::Empty => "empty",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// Counts what a processor does. Clones count into the same numbers.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    messages: Results,
    under_way: Gauge,
    photo_seconds: Histogram,
    recognizer_failures: Counter,
    circuit: Family<StateLabels, Gauge>,
    circuit_changes: Family<StateLabels, Counter>,
}

impl Metrics {
    /// All numbers at 0, in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("facerecog_processor");
        let help = "Messages of the queue, by what became of them";
        let messages = Results::register(registry, "messages", help, MessageEnd::ALL.map(MessageEnd::label));
        let under_way = Gauge::default();
        registry.register("under_way", "Messages that are worked on", under_way.clone());
        let photo_seconds = Histogram::new(PHOTO_SECONDS);
        registry.register_with_unit(
            "photo_duration",
            "Time from the claim of a photo to its settled row",
            Unit::Seconds,
            photo_seconds.clone(),
        );
        let recognizer_failures = Counter::default();
        registry.register(
            "recognizer_failures",
            "Calls that failed by the recognizer's fault",
            recognizer_failures.clone(),
        );
        let circuit = Family::default();
        registry.register("circuit", "1 for the state of the circuit breaker, 0 for the others", circuit.clone());
        let circuit_changes: Family<StateLabels, Counter> = Family::default();
        for state in CircuitState::ALL {
            drop(circuit_changes.get_or_create(&StateLabels { state: state.label() }));
        }
        registry.register("circuit_changes", "Times that the circuit breaker came to a state", circuit_changes.clone());
        Self(Arc::new(Numbers { messages, under_way, photo_seconds, recognizer_failures, circuit, circuit_changes }))
    }

    pub(super) fn began(&self) {
        self.0.under_way.inc();
    }

    pub(super) fn ended(&self, end: MessageEnd) {
        self.0.under_way.dec();
        self.0.messages.add(end.label(), 1);
    }

    pub(super) fn settled(&self, time: Duration) {
        self.0.photo_seconds.observe(time.as_secs_f64());
    }

    pub(super) fn recognizer_failed(&self) {
        self.0.recognizer_failures.inc();
    }

    pub(super) fn circuit_becomes(&self, state: CircuitState) {
        self.0.circuit_changes.get_or_create(&StateLabels { state: state.label() }).inc();
        self.circuit_is(state);
    }

    pub(super) fn circuit_is(&self, now: CircuitState) {
        for state in CircuitState::ALL {
            self.0.circuit.get_or_create(&StateLabels { state: state.label() }).set((state == now).into());
        }
    }
}

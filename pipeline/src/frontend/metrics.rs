//! The numbers of a frontend.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the classes of durations, in seconds: from an icon to the picture of a large photo.
const REQUEST_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

/// Counts what a frontend does. Clones count into the same numbers.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histogram,
    uploads: Counter,
    retries: Counter,
}

impl Metrics {
    /// All numbers at 0, in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("facerecog_frontend");
        let requests = Family::default();
        registry.register("requests", "Requests, by route and status of the answer", requests.clone());
        let request_seconds = Histogram::new(REQUEST_SECONDS);
        registry.register_with_unit(
            "request_duration",
            "Time from the head of a request to its answer",
            Unit::Seconds,
            request_seconds.clone(),
        );
        let uploads = Counter::default();
        registry.register("uploads", "Photos that were sent from the page", uploads.clone());
        let retries = Counter::default();
        registry.register("retries", "Photos that were given another try from the page", retries.clone());
        Self(Arc::new(Numbers { requests, request_seconds, uploads, retries }))
    }

    pub(super) fn uploaded(&self, photos: usize) {
        self.0.uploads.inc_by(photos as u64);
    }

    pub(super) fn retried(&self) {
        self.0.retries.inc();
    }
}

/// Counts a request and its answer.
pub(super) async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    // The route, not the address: there are few of them.
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    metrics.0.requests.get_or_create(&RequestLabels { route, status: response.status().as_u16() }).inc();
    metrics.0.request_seconds.observe(began.elapsed().as_secs_f64());
    response
}

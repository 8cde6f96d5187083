//! The numbers of a service's HTTP requests.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: String,
    status: u16,
}

/// Counts and times requests. Clones count into the same numbers.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    requests: Family<Labels, Counter>,
    seconds: Histogram,
}

impl Requests {
    /// None so far, in `registry`; `bounds` are the upper bounds of the classes of durations, in seconds.
    pub(crate) fn register(registry: &mut Registry, bounds: impl IntoIterator<Item = f64>) -> Self {
        let requests = Family::default();
        registry.register("requests", "Requests, by route and status of the answer", requests.clone());
        let seconds = Histogram::new(bounds);
        registry.register_with_unit(
            "request_duration",
            "Time from the head of a request to its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        Self { requests, seconds }
    }
}

/// Counts a request and its answer: a layer of a router.
pub(crate) async fn count_request(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    // The route, not the address: there are few of them.
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    requests.requests.get_or_create(&Labels { route, status: response.status().as_u16() }).inc();
    requests.seconds.observe(began.elapsed().as_secs_f64());
    response
}

//! The second port: metrics for Prometheus, and what Kubernetes asks.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics::{GalleryNumbers, Metrics, QueueNumbers};

/// Form of the metrics' text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the second port asks the server.
pub(crate) trait Probes: fmt::Debug + Send + Sync + 'static {
    /// Why the server cannot answer; nothing when it can.
    fn not_ready(&self) -> Option<String>;
    /// The gallery that answers, if there is one.
    fn gallery(&self) -> Option<GalleryNumbers>;
    /// The photos in the server.
    fn queue(&self) -> QueueNumbers;
}

/// Answers `/metrics`, `/healthz` (the process lives) and `/readyz` (calls can be answered) until it is
/// dropped.
pub(crate) async fn serve(listener: TcpListener, metrics: Metrics, probes: Arc<dyn Probes>) {
    let router = Router::new()
        .route("/metrics", get(collect))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .with_state(Endpoint { metrics, probes });
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "metrics are not answered any more");
    }
}

#[derive(Debug, Clone)]
struct Endpoint {
    metrics: Metrics,
    probes: Arc<dyn Probes>,
}

async fn collect(State(Endpoint { metrics, probes }): State<Endpoint>) -> Response {
    metrics.set_state(probes.not_ready().is_none(), probes.gallery(), probes.queue());
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn readiness(State(Endpoint { probes, .. }): State<Endpoint>) -> Response {
    match probes.not_ready() {
        None => "ready\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

//! What Prometheus and Kubernetes ask.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::{Readiness, Stop};
use crate::http_server;

/// Form of the metrics' text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The numbers of a process, and whether it is well. Clones share them.
#[derive(Debug, Clone)]
pub struct Telemetry {
    registry: Arc<Registry>,
    readiness: Readiness,
}

impl Telemetry {
    /// Of a process whose services have registered their numbers.
    pub fn new(mut registry: Registry, readiness: Readiness) -> Self {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("facerecog_pipeline", "Version of the program", version);
        Self { registry: Arc::new(registry), readiness }
    }

    /// `/metrics`, `/healthz` (the process lives) and `/readyz` (it can do its work), for a router that has other
    /// routes, too.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new()
            .route("/metrics", get(collect))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(readiness))
            .with_state(self.clone())
    }

    /// Answers these routes alone, until `stop`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: Stop) -> io::Result<()> {
        http_server::serve(listener, self.router(), stop).await
    }
}

async fn collect(State(telemetry): State<Telemetry>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &telemetry.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn readiness(State(telemetry): State<Telemetry>) -> Response {
    match telemetry.readiness.check().await {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

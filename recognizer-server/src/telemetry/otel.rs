//! Traces of calls, sent to an OpenTelemetry collector.

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// Where the collector is, as OpenTelemetry names it; without either there are no traces.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// Sends traces; what is not sent yet is sent when it is dropped.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    /// Carries the connection to the collector, apart from the server's own.
    _runtime: Runtime,
}

impl Traces {
    /// Traces, when the environment names a collector.
    pub(super) fn from_environment() -> Option<Self> {
        ENDPOINTS.iter().find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()))?;
        match Self::start() {
            Ok(traces) => Some(traces),
            Err(error) => {
                // The log is not there yet.
                eprintln!("no traces: {error}");
                None
            }
        }
    }

    fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let entered = runtime.enter();
        let exporter = SpanExporter::builder().with_tonic().build()?;
        drop(entered);
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("facerecog");
        }
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
        Ok(Self { provider, _runtime: runtime })
    }

    /// The layer that takes the spans of calls.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let calls = Targets::new().with_target("recognizer::call", LevelFilter::INFO);
        tracing_opentelemetry::layer().with_tracer(self.provider.tracer("recognizer")).with_filter(calls)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Makes `span` a part of the caller's trace, when the metadata of the request names one.
pub(crate) fn set_parent(span: &tracing::Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&Metadata(headers));
    // Fails when the span is not traced, and then nothing is to be done.
    let _ = span.set_parent(parent);
}

struct Metadata<'a>(&'a HeaderMap);

impl Extractor for Metadata<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

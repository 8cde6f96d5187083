//! Every call: counted, timed, logged, and traced.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument;

use super::code;
use crate::telemetry::{CallOutcome, Metrics, PHOTO_NAMES};

/// Every method that is served; any other is `other`, so that callers cannot make up labels.
const METHODS: [&str; 14] = [
    "facerecog.Identify/Identify",
    "facerecog.HealthCheck/HealthCheck",
    "facerecog.v1.Recognizer/Recognize",
    "facerecog.v1.Recognizer/RecognizeStream",
    "facerecog.v1.Recognizer/Enroll",
    "facerecog.v1.Recognizer/Remove",
    "facerecog.v1.Recognizer/ListPeople",
    "facerecog.v1.Recognizer/Reindex",
    "facerecog.v1.Recognizer/Verify",
    "facerecog.v1.Recognizer/GetInfo",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

fn method(path: &str) -> &'static str {
    let path = path.strip_prefix('/').unwrap_or(path);
    METHODS.into_iter().find(|method| *method == path).unwrap_or("other")
}

/// Counts, times and logs the calls that go through it.
#[derive(Debug, Clone)]
pub(super) struct CallLog {
    metrics: Metrics,
}

impl CallLog {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for CallLog {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Logged<S> {
        Logged { inner, metrics: self.metrics.clone() }
    }
}

/// A service behind a [`CallLog`].
#[derive(Debug, Clone)]
pub(super) struct Logged<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, B> Service<Request<B>> for Logged<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = method(request.uri().path());
        let span = tracing::info_span!(
            target: "recognizer::call",
            "call",
            otel.name = method,
            otel.kind = "server",
            rpc.system = "grpc",
            rpc.grpc.status_code = tracing::field::Empty,
        );
        #[cfg(feature = "otel")]
        crate::telemetry::set_parent(&span, request.headers());
        let mut call = Call::begin(method, self.metrics.clone(), span.clone());
        let answer = span.in_scope(|| self.inner.call(request));
        let answered = async move {
            let response = answer.await?;
            // An answer without a message has its status up here.
            call.end_with(response.headers());
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    if let Some(trailers) = frame.trailers_ref() {
                        call.end_with(trailers);
                    }
                    frame
                }))
            }))
        };
        Box::pin(answered.instrument(span))
    }
}

/// A call under way. It ends when it is dropped, and was cancelled when no status was sent until then.
#[derive(Debug)]
struct Call {
    method: &'static str,
    began: Instant,
    metrics: Metrics,
    span: tracing::Span,
    code: Code,
}

impl Call {
    fn begin(method: &'static str, metrics: Metrics, span: tracing::Span) -> Self {
        metrics.call_began();
        Self { method, began: Instant::now(), metrics, span, code: Code::Cancelled }
    }

    /// Takes the status from where it was sent, if it was sent here.
    fn end_with(&mut self, headers: &HeaderMap) {
        let Some(status) = Status::from_header_map(headers) else { return };
        self.code = status.code();
        if self.code != Code::Ok {
            tracing::debug!(target: PHOTO_NAMES, method = self.method, reason = status.message(), "call refused");
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        let code = code::name(self.code);
        self.span.record("rpc.grpc.status_code", self.code as i32);
        self.metrics.call_ended(CallOutcome { method: self.method, code, duration });
        let milliseconds = duration.as_secs_f64() * 1000.0;
        tracing::debug!(target: "recognizer::call", method = self.method, code, milliseconds, "call");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_contracts_has_a_label_and_no_other() {
        let contracts = [
            ("facerecog", include_str!("../../proto/facerecog.proto")),
            ("facerecog.v1", include_str!("../../proto/facerecog/v1/recognizer.proto")),
        ];
        let mut found = 0;
        for (package, proto) in contracts {
            let mut service = "";
            for line in proto.lines().map(str::trim) {
                if let Some(rest) = line.strip_prefix("service ") {
                    service = rest.split_whitespace().next().unwrap();
                } else if let Some(rest) = line.strip_prefix("rpc ") {
                    let name = format!("{package}.{service}/{}", rest.split('(').next().unwrap());
                    assert_eq!(method(&format!("/{name}")), name);
                    found += 1;
                }
            }
        }
        assert_eq!(found + 4, METHODS.len(), "health and reflection have two calls each");
        assert_eq!(method("/facerecog.Identify/Else"), "other");
    }
}

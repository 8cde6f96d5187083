//! What the contract asks of a response and tonic has no word for.

use http::HeaderValue;
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Status};

use super::status::message_too_large;

/// Extension of a successful response: metadata that follows the message.
#[derive(Debug, Clone)]
pub(super) struct TrailingMetadata(pub(super) &'static str, pub(super) MetadataValue<Ascii>);

/// Finishes every response of the server: sends [`TrailingMetadata`] after the message, and refuses a
/// message that is too large with RESOURCE_EXHAUSTED, as every other implementation of gRPC does.
pub(super) fn finish(mut response: http::Response<Body>) -> http::Response<Body> {
    // Only the decoder's size limit answers OUT_OF_RANGE here.
    if response.headers().get(Status::GRPC_STATUS) == Some(&HeaderValue::from(Code::OutOfRange as i32)) {
        return message_too_large().into_http();
    }
    let Some(TrailingMetadata(name, value)) = response.extensions_mut().remove() else { return response };
    let Ok(value) = HeaderValue::from_bytes(value.as_encoded_bytes()) else { return response };
    response.map(|body| {
        Body::new(body.map_frame(move |mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                trailers.insert(name, value.clone());
            }
            frame
        }))
    })
}

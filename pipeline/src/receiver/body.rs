//! Bodies of requests, up to a limit.

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http_body_util::BodyExt;

use super::error::RequestError;

/// Bytes that are read and forgotten after a body has become too large: a client that sends first and listens then
/// hears the answer, where hanging up at once would cut it off.
const MAX_FORGOTTEN: usize = 64 << 20;

/// The whole body, of at most `limit` bytes.
pub(super) async fn read(mut body: Body, limit: usize) -> Result<Bytes, RequestError> {
    let mut bytes = BytesMut::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| RequestError::Cut { reason: error.to_string() })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= limit {
            bytes.extend_from_slice(&data);
        } else if length <= MAX_FORGOTTEN {
            bytes = BytesMut::new();
        } else {
            break;
        }
    }
    if length > limit { Err(RequestError::LargeBody { limit }) } else { Ok(bytes.freeze()) }
}

//! Which gRPC status an error becomes, and what it says to programs.

use std::collections::HashMap;
use std::time::Duration;

use facerecog_engine::model::DecisionError;
use facerecog_engine::photo::{PhotoError, PhotoErrorKind};
use facerecog_engine::recognizer::IdentifyError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Whose reasons those in `google.rpc.ErrorInfo` are.
const DOMAIN: &str = "facerecog";

/// Longest message sent, in bytes: messages travel in headers, once percent-encoded and once in
/// the details, which makes up to four times as much, and a client refuses headers of more than 8 KiB.
const LONGEST_MESSAGE: usize = 1500;

/// A status whose message names the photo and the reason.
pub(super) fn photo_status(error: &PhotoError) -> Status {
    let code = match error.kind {
        PhotoErrorKind::NotFound => Code::NotFound,
        PhotoErrorKind::PermissionDenied => Code::PermissionDenied,
        PhotoErrorKind::Io(_) => Code::Internal,
        _ => Code::InvalidArgument,
    };
    refusal(code, error.kind.code(), &error.to_string())
}

/// INTERNAL: neither networks nor gallery depend on what the caller asked.
pub(super) fn identify_status(error: &IdentifyError) -> Status {
    refusal(Code::Internal, "internal", &error.to_string())
}

/// FAILED_PRECONDITION: more people are known than the rate of false matches that was asked for was measured for.
pub(super) fn decision_status(error: &DecisionError) -> Status {
    refusal(Code::FailedPrecondition, "rate_not_measured", &error.to_string())
}

/// INVALID_ARGUMENT: the request makes no sense, whatever the photo.
pub(super) fn bad_request(reason: &str, message: &str) -> Status {
    refusal(Code::InvalidArgument, reason, message)
}

/// RESOURCE_EXHAUSTED: the message is over the limit.
pub(super) fn message_too_large() -> Status {
    let message = "the message is over the limit; send a smaller photo, or the path of one";
    refusal(Code::ResourceExhausted, "message_too_large", message)
}

/// `status`, of the photo that is the `which` of a request.
pub(super) fn of_photo(which: &str, status: &Status) -> Status {
    refusal(status.code(), &reason_of(status), &format!("{which} photo: {}", status.message()))
}

/// DEADLINE_EXCEEDED.
pub(super) fn deadline_exceeded() -> Status {
    refusal(Code::DeadlineExceeded, "deadline_exceeded", "no answer could be given in time")
}

/// UNAVAILABLE, and after which time to try again.
pub(super) fn busy(reason: &str, message: &str, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(retry_after));
    details.set_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(Code::Unavailable, message, details)
}

/// A status with a `reason` for programs and a message that fits into a header.
pub(super) fn refusal(code: Code, reason: &str, message: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, shortened(message), details)
}

/// The reason that a status carries for programs; empty when it carries none.
pub(super) fn reason_of(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// `message`, without its middle when it is long: the path stands first, the reason last.
fn shortened(message: &str) -> String {
    if message.len() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    let head = message.floor_char_boundary(LONGEST_MESSAGE / 2);
    let tail = message.ceil_char_boundary(message.len() - LONGEST_MESSAGE / 2);
    format!("{}…{}", &message[..head], &message[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_decides_code_and_reason_and_the_path_is_named() {
        let cases = [
            (PhotoErrorKind::NotFound, Code::NotFound, "not_found"),
            (PhotoErrorKind::NotAFile, Code::InvalidArgument, "not_a_file"),
            (PhotoErrorKind::Empty, Code::InvalidArgument, "empty_file"),
            (PhotoErrorKind::UnknownFormat, Code::InvalidArgument, "unknown_format"),
            (PhotoErrorKind::BadPath("holds a NUL byte".into()), Code::InvalidArgument, "bad_path"),
            (PhotoErrorKind::PermissionDenied, Code::PermissionDenied, "permission_denied"),
        ];
        for (kind, code, reason) in cases {
            let status = photo_status(&PhotoError::from(kind).at("/photos/a.jpg"));
            assert_eq!((status.code(), reason_of(&status).as_str()), (code, reason));
            assert_eq!(status.get_details_error_info().unwrap().domain, DOMAIN);
            assert!(status.message().contains("/photos/a.jpg"), "{}", status.message());
        }
    }

    #[test]
    fn a_long_path_is_shortened_but_its_reason_stays() {
        let status = photo_status(&PhotoError::from(PhotoErrorKind::NotFound).at("ü".repeat(100_000)));
        assert!(status.message().len() <= LONGEST_MESSAGE + "…".len());
        assert!(status.message().ends_with("no such file"));
        let headers = status.into_http::<()>().headers().iter().map(|(_, value)| value.len()).sum::<usize>();
        assert!(headers < 8 << 10, "{headers} bytes of headers");
    }
}

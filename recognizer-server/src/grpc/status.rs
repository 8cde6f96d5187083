//! Which gRPC status an error of the engine becomes.

use facerecog_engine::photo::{PhotoError, PhotoErrorKind};
use facerecog_engine::recognizer::IdentifyError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Longest message sent, in characters: messages travel in headers, and a client refuses headers of
/// more than 8 KiB. Percent-encoding may triple a message.
const LONGEST_MESSAGE: usize = 2000;

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
    status(Code::Internal, &error.to_string())
}

/// A status with a reason that programs can tell apart, as google.rpc.ErrorInfo.
pub(super) fn refusal(code: Code, reason: &str, message: &str) -> Status {
    let plain = status(code, message);
    let details = ErrorDetails::with_error_info(reason, "facerecog", std::collections::HashMap::new());
    Status::with_error_details(code, plain.message(), details)
}

/// A status with a message that fits into a header.
pub(super) fn status(code: Code, message: &str) -> Status {
    let total = message.chars().count();
    if total <= LONGEST_MESSAGE {
        return Status::new(code, message);
    }
    // The path stands first, the reason last: both ends matter.
    let head: String = message.chars().take(LONGEST_MESSAGE / 2).collect();
    let tail: String = message.chars().skip(total - LONGEST_MESSAGE / 2).collect();
    Status::new(code, format!("{head}…{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_decides_the_code_and_the_path_is_named() {
        let cases = [
            (PhotoErrorKind::NotFound, Code::NotFound),
            (PhotoErrorKind::NotAFile, Code::InvalidArgument),
            (PhotoErrorKind::Empty, Code::InvalidArgument),
            (PhotoErrorKind::UnknownFormat, Code::InvalidArgument),
            (PhotoErrorKind::BadPath("holds a NUL byte".into()), Code::InvalidArgument),
            (PhotoErrorKind::PermissionDenied, Code::PermissionDenied),
        ];
        for (kind, code) in cases {
            let status = photo_status(&PhotoError::from(kind).at("/photos/a.jpg"));
            assert_eq!(status.code(), code);
            assert!(status.message().contains("/photos/a.jpg"), "{}", status.message());
        }
    }

    #[test]
    fn a_long_path_is_shortened_but_its_reason_stays() {
        let status = photo_status(&PhotoError::from(PhotoErrorKind::NotFound).at("ü".repeat(100_000)));
        assert!(status.message().chars().count() <= LONGEST_MESSAGE + 1);
        assert!(status.message().ends_with("no such file"));
    }
}

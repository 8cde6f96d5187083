//! Whose fault it is that there is no answer: the photo's, or the service's.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};

/// Why the recognizer has not told who is on a photo.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RecognizeError {
    /// The recognizer looked at the photo, or for it, and refused it. Another try of the same photo fails alike.
    #[error("{message}")]
    Photo {
        /// In the recognizer's words.
        message: String,
    },
    /// No answer came in time: the photo takes for ever, or the recognizer hangs.
    #[error("the recognizer gave no answer within {} s", .waited.as_secs_f32())]
    Slow {
        /// How long was waited.
        waited: Duration,
    },
    /// The recognizer fails, whatever the photo.
    #[error("the recognizer fails: {message}")]
    Service {
        /// In its words, or the system's.
        message: String,
        /// Whether the photo had been sent: one that ends the recognizer each time must not be tried for ever.
        sent: bool,
    },
}

impl RecognizeError {
    /// Of a call.
    pub(super) fn of_call(status: &Status) -> Self {
        // A status with a source was made on this side: of a connection that broke, or never was.
        if status.source().is_some() {
            return Self::Service { message: with_causes(status), sent: !could_not_connect(status) };
        }
        Self::of_answer(status.code(), status.message())
    }

    /// Of a stream that could not be opened: no photo had been sent.
    pub(super) fn of_opening(status: &Status) -> Self {
        Self::Service { message: with_causes(status), sent: false }
    }

    /// Of an answer that names a gRPC status code.
    pub(super) fn of_answer(code: Code, message: &str) -> Self {
        match code {
            // What the original answers to every photo that it cannot work on is UNKNOWN. INTERNAL is a fault of the
            // recognizer with this photo: it fails alone there, so it does here.
            Code::InvalidArgument
            | Code::NotFound
            | Code::PermissionDenied
            | Code::OutOfRange
            | Code::DataLoss
            | Code::Unknown
            | Code::Internal => Self::Photo { message: message.to_owned() },
            // Busy, starting, stopping, without a gallery, or no recognizer at all.
            _ => Self::Service { message: format!("{code:?}: {message}"), sent: false },
        }
    }
}

fn could_not_connect(status: &Status) -> bool {
    causes(status).any(|error| error.is::<tonic::ConnectError>())
}

/// What led to it, the nearest first.
fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(status.source(), |&error| error.source())
}

/// An error and what led to it: the outermost of a transport only says that it failed.
fn with_causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    for error in causes(status) {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_code_tells_whose_fault_it_is() {
        let photo = [
            Code::InvalidArgument,
            Code::NotFound,
            Code::PermissionDenied,
            Code::OutOfRange,
            Code::DataLoss,
            Code::Unknown,
            Code::Internal,
        ];
        for number in 1..=16 {
            let code = Code::from_i32(number);
            let of_photo = matches!(RecognizeError::of_answer(code, "why"), RecognizeError::Photo { .. });
            assert_eq!(of_photo, photo.contains(&code), "{code:?}");
        }
    }

    #[test]
    fn a_connection_that_breaks_is_the_services_fault_whatever_the_code() {
        for code in [Code::Unknown, Code::Internal, Code::Unavailable] {
            let mut status = Status::new(code, "transport error");
            status.set_source(Arc::new(std::io::Error::other("reset by peer")));
            let RecognizeError::Service { message, sent } = RecognizeError::of_call(&status) else {
                panic!("{code:?} counts against the photo")
            };
            assert!(message.contains("reset by peer") && sent, "{message}");
        }
    }
}

//! Who may change the gallery: whoever bears the token.

use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::{fmt, io};

use http::{Request, Response, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::{Layer, Service};

use crate::config::ServerConfig;

/// The calls that change the gallery.
const GUARDED: [&str; 3] =
    ["/facerecog.v1.Recognizer/Enroll", "/facerecog.v1.Recognizer/Remove", "/facerecog.v1.Recognizer/Reindex"];

/// Longest token, in bytes: it travels in a header.
const LONGEST_TOKEN: usize = 4096;

/// Why the token cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The file could not be read.
    #[error("token_file: {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// There is no token in the file that a header could carry.
    #[error("token_file: {}: {reason}", path.display())]
    NoToken { path: PathBuf, reason: &'static str },
}

/// Who may change the gallery.
#[derive(Clone)]
enum Policy {
    /// Whoever bears the token of this digest.
    Bearer([u8; 32]),
    Anybody,
    Nobody,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer",
            Self::Anybody => "Anybody",
            Self::Nobody => "Nobody",
        })
    }
}

impl Policy {
    /// Without a token the gallery may be changed where nobody but this host can ask, or where the operator
    /// allows it to everybody.
    fn of(config: &ServerConfig, listening_on: IpAddr) -> Result<Self, TokenError> {
        match &config.token_file {
            Some(path) => token(path).map(|token| Self::Bearer(digest(&token))),
            None if config.allow_unauthenticated_changes || listening_on.is_loopback() => Ok(Self::Anybody),
            None => Ok(Self::Nobody),
        }
    }

    fn check(&self, authorization: Option<&[u8]>) -> Result<(), Status> {
        let digest_of_token = match self {
            Self::Anybody => return Ok(()),
            Self::Nobody => {
                return Err(refusal(
                    Code::PermissionDenied,
                    "changes_not_allowed",
                    "the gallery cannot be changed over the network: the server has no token_file",
                ));
            }
            Self::Bearer(digest) => digest,
        };
        let Some(token) = authorization.and_then(bearer) else {
            let message = "this call changes the gallery: send the metadata \"authorization: Bearer <token>\"";
            return Err(refusal(Code::Unauthenticated, "missing_token", message));
        };
        // Digests are of one length, so that the time tells nothing of the token's.
        if bool::from(digest(token).ct_eq(digest_of_token)) {
            Ok(())
        } else {
            Err(refusal(Code::Unauthenticated, "wrong_token", "the token is not the server's"))
        }
    }
}

fn refusal(code: Code, reason: &'static str, message: &'static str) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, "facerecog", []))
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

/// The token in a file, without the white space around it.
pub(crate) fn token(path: &Path) -> Result<Vec<u8>, TokenError> {
    let unreadable = |source| TokenError::Unreadable { path: path.to_owned(), source };
    let no_token = |reason| TokenError::NoToken { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & 0o004 != 0 {
        tracing::warn!(path = %path.display(), "every user of this host may read the token; chmod o-r it");
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_TOKEN as u64 + 2).read_to_end(&mut bytes).map_err(unreadable)?;
    let token = bytes.trim_ascii();
    match token.len() {
        0 => Err(no_token("holds no token")),
        1..=LONGEST_TOKEN if token.iter().all(u8::is_ascii_graphic) => Ok(token.to_vec()),
        1..=LONGEST_TOKEN => Err(no_token("a token is printable ASCII without blanks")),
        _ => Err(no_token("a token has at most 4096 bytes")),
    }
}

/// Lets the calls that change the gallery through only with the token.
#[derive(Debug, Clone)]
pub(super) struct ChangeGuard {
    policy: Arc<RwLock<Policy>>,
    listening_on: IpAddr,
}

impl ChangeGuard {
    /// As `config` says, for a server that listens on this address.
    pub(super) fn new(config: &ServerConfig, listening_on: IpAddr) -> Result<Self, TokenError> {
        Ok(Self { policy: Arc::new(RwLock::new(Policy::of(config, listening_on)?)), listening_on })
    }

    /// Reads the token again. The one in use stays in use when it cannot be.
    pub(super) fn reload(&self, config: &ServerConfig) -> Result<(), TokenError> {
        let policy = Policy::of(config, self.listening_on)?;
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
        Ok(())
    }

    fn check<B>(&self, request: &Request<B>) -> Result<(), Status> {
        if !GUARDED.contains(&request.uri().path()) {
            return Ok(());
        }
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner).clone();
        policy.check(request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes()))
    }
}

impl<S> Layer<S> for ChangeGuard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: self.clone() }
    }
}

/// A service behind a [`ChangeGuard`].
#[derive(Debug, Clone)]
pub(super) struct Guarded<S> {
    inner: S,
    guard: ChangeGuard,
}

impl<S, B> Service<Request<B>> for Guarded<S>
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
        match self.guard.check(&request) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(status) => Box::pin(async move { Ok(status.into_http()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn the_token_alone_opens() {
        let policy = Policy::Bearer(digest(b"s3cret"));
        for right in ["Bearer s3cret", "bearer s3cret", "Bearer  s3cret "] {
            assert!(policy.check(Some(right.as_bytes())).is_ok(), "{right}");
        }
        for wrong in ["Bearer s3cre", "Bearer s3crets", "Bearer S3CRET", "Bearer ", "Basic s3cret", "s3cret", "ü"] {
            let status = policy.check(Some(wrong.as_bytes())).unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated, "{wrong}");
            assert!(status.get_details_error_info().is_some());
        }
        assert_eq!(policy.check(None).unwrap_err().code(), Code::Unauthenticated);
        assert_eq!(Policy::Nobody.check(Some(b"Bearer s3cret")).unwrap_err().code(), Code::PermissionDenied);
        assert!(Policy::Anybody.check(None).is_ok());
    }

    #[test]
    fn a_token_is_what_stands_between_the_white_space() {
        let (_dir, path) = file(" s3cret\r\n");
        assert_eq!(token(&path).unwrap(), b"s3cret");
        for unusable in ["", "\n", "two words", "schlüssel", &"x".repeat(LONGEST_TOKEN + 1)] {
            let (_dir, path) = file(unusable);
            assert!(matches!(token(&path), Err(TokenError::NoToken { .. })), "{unusable}");
        }
    }

    #[test]
    fn without_a_token_only_this_host_may_change_the_gallery() {
        let config = ServerConfig::resolve(Default::default()).unwrap();
        let of = |config: &ServerConfig, ip: &str| Policy::of(config, ip.parse().unwrap()).unwrap();
        assert!(matches!(of(&config, "127.0.0.1"), Policy::Anybody));
        assert!(matches!(of(&config, "::1"), Policy::Anybody));
        assert!(matches!(of(&config, "::"), Policy::Nobody));
        assert!(matches!(of(&config, "10.0.0.1"), Policy::Nobody));
        let open = ServerConfig { allow_unauthenticated_changes: true, ..config.clone() };
        assert!(matches!(of(&open, "::"), Policy::Anybody));
        let (_dir, path) = file("s3cret");
        let guarded = ServerConfig { token_file: Some(path), allow_unauthenticated_changes: true, ..config };
        assert!(matches!(of(&guarded, "127.0.0.1"), Policy::Bearer(_)));
    }
}

//! The server's certificate, and those that clients must show.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig as Rustls};

use crate::config::ServerConfig;

/// Why certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file is not there, or is no PEM of the kind that is asked for.
    #[error("{key}: {}: {source}", path.display())]
    Pem { key: &'static str, path: PathBuf, source: pem::Error },
    /// There is nothing in the file.
    #[error("{key}: {}: holds no certificate in PEM", path.display())]
    NoCertificate { key: &'static str, path: PathBuf },
    /// The private key is not the certificate's, or of a kind that is not supported.
    #[error("tls_certificate, tls_key: {0}; both must be of one pair")]
    Pair(#[source] Error),
    /// An authority cannot be used.
    #[error("tls_client_ca: {}: {source}", path.display())]
    Authority { path: PathBuf, source: Error },
    /// No verification can be made of the authorities.
    #[error("tls_client_ca: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// What new connections are encrypted with; replaced whole while those that are open go on.
#[derive(Debug, Clone)]
pub(super) struct Tls(Arc<RwLock<Arc<Rustls>>>);

impl Tls {
    /// Reads the files that `config` names; nothing when it names none.
    pub(super) fn read(config: &ServerConfig) -> Result<Option<Self>, TlsError> {
        Ok(rustls(config)?.map(|rustls| Self(Arc::new(RwLock::new(Arc::new(rustls))))))
    }

    /// Reads the files again. What was in use stays in use when they cannot be.
    pub(super) fn reload(&self, config: &ServerConfig) -> Result<(), TlsError> {
        if let Some(rustls) = rustls(config)? {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rustls);
        }
        Ok(())
    }

    /// What a connection that begins now is encrypted with.
    pub(super) fn current(&self) -> Arc<Rustls> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn rustls(config: &ServerConfig) -> Result<Option<Rustls>, TlsError> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else { return Ok(None) };
    let chain = certificates("tls_certificate", certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Pem {
        key: "tls_key",
        path: key.clone(),
        source,
    })?;
    let provider = Arc::new(ring::default_provider());
    let builder = Rustls::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?;
    let builder = match &config.tls_client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut authorities = RootCertStore::empty();
            for authority in certificates("tls_client_ca", path)? {
                authorities.add(authority).map_err(|source| TlsError::Authority { path: path.clone(), source })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut rustls = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
    rustls.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Some(rustls))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem { key, path: path.to_owned(), source };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { key, path: path.to_owned() });
    }
    Ok(certificates)
}

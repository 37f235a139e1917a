//! The certificate and key that new connections get.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::files::Content;

/// Why the files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The certificate.
    #[error("{0}")]
    Certificate(String),
    /// The key, or the key and the certificate together.
    #[error("{0}")]
    Key(String),
}

impl TlsError {
    /// The variable with the path of the file.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "EXPORTS_TLS_CERT",
            Self::Key(_) => "EXPORTS_TLS_KEY",
        }
    }
}

pub(super) fn parse(content: &Content) -> Result<Arc<CertifiedKey>, TlsError> {
    let certificate = |reason: String| {
        TlsError::Certificate(format!("{} {reason}", content.files.certificate.display()))
    };
    let key = |reason: String| TlsError::Key(format!("{} {reason}", content.files.key.display()));
    let chain = CertificateDer::pem_slice_iter(&content.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| certificate(format!("is not in PEM format: {error}")))?;
    if chain.is_empty() {
        return Err(certificate(
            "contains no certificate in PEM format".to_owned(),
        ));
    }
    let secret = PrivateKeyDer::from_pem_slice(&content.key).map_err(|_| {
        key("contains no private key in PEM format, or the key is encrypted".to_owned())
    })?;
    let provider = rustls::crypto::ring::default_provider();
    let parsed = CertifiedKey::from_der(chain, secret, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            key("does not belong to the certificate of EXPORTS_TLS_CERT".to_owned())
        }
        rustls::Error::InvalidCertificate(_) => certificate(format!("is not usable: {error}")),
        error => key(format!("is not usable: {error}")),
    })?;
    Ok(Arc::new(parsed))
}

/// Can be replaced while connections are accepted.
#[derive(Debug)]
pub(super) struct CurrentKey(RwLock<Arc<CertifiedKey>>);

impl CurrentKey {
    pub(super) fn new(key: Arc<CertifiedKey>) -> Self {
        Self(RwLock::new(key))
    }

    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&key)
    }

    pub(super) fn replace(&self, key: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

impl ResolvesServerCert for CurrentKey {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

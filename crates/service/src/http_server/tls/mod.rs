//! HTTPS: the certificate and the key, which are read again when their files change.

mod files;
mod key;
mod reload;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use files::{Content, Files};
use key::CurrentKey;

pub use key::TlsError;

/// The only protocol that the server speaks.
const ALPN: &[u8] = b"http/1.1";

/// A certificate with its key, from two PEM files.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    /// The last reading of the files.
    last: Result<Content, TlsError>,
    /// The last reading that was used or refused.
    settled: Result<Content, TlsError>,
    key: Arc<CurrentKey>,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads both files.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let files = Files { certificate, key };
        let content = files.read()?;
        let key = Arc::new(CurrentKey::new(key::parse(&content)?));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of TLS 1.2 and 1.3");
        let resolver = Arc::clone(&key);
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self {
            files,
            last: Ok(content.clone()),
            settled: Ok(content),
            key,
            config: Arc::new(config),
        })
    }

    /// Accepts connections with the current certificate.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

#[cfg(test)]
mod tests;

//! Reads certificates and keys. Errors name the parameter and the file.

use std::io;
use std::path::Path;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::settings::{ClientFiles, Roots};
use crate::error::UrlError;

impl ClientFiles {
    /// The client certificate with its key. Blocks.
    pub(super) fn read(&self, provider: &CryptoProvider) -> io::Result<CertifiedKey> {
        let shown = self.certificate.display().to_string();
        let pem = read_file("sslcert", &self.certificate)?;
        let chain = certificates("sslcert", &shown, &pem)?;
        let pem = read_file("sslkey", &self.key)?;
        let invalid =
            |reason: &str| io::Error::other(format!("sslkey={}: {reason}", self.key.display()));
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
            invalid("it contains no private key in PEM format, or the key is encrypted")
        })?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| invalid(&error.to_string()))?;
        Ok(CertifiedKey::new(chain, key))
    }
}

impl ClientFiles {
    /// Whether both files can be read and used. Blocks.
    pub(super) fn check(&self) -> Result<(), UrlError> {
        let read = self.read(&rustls::crypto::ring::default_provider());
        read.map(drop)
            .map_err(|error| UrlError::Part(error.to_string()))
    }
}

impl Roots {
    /// The trusted certificates. Blocks.
    pub(crate) fn read(&self) -> io::Result<Vec<CertificateDer<'static>>> {
        let (shown, pem) = match self {
            // Certificates that cannot be read are ignored: then there is one less to trust.
            Self::Unset | Self::System => {
                return Ok(rustls_native_certs::load_native_certs().certs);
            }
            Self::File(path) => (path.display().to_string(), read_file("sslrootcert", path)?),
            Self::Pem(text) => ("PEM text".to_owned(), text.clone().into_bytes()),
        };
        certificates("sslrootcert", &shown, &pem)
    }
}

fn certificates(
    parameter: &str,
    shown: &str,
    pem: &[u8],
) -> io::Result<Vec<CertificateDer<'static>>> {
    let invalid = |reason: String| io::Error::other(format!("{parameter}={shown}: {reason}"));
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| invalid(error.to_string()))?;
    if certificates.is_empty() {
        return Err(invalid(
            "it contains no certificate in PEM format".to_owned(),
        ));
    }
    Ok(certificates)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn read_file(parameter: &str, path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("{parameter}={}: {}", path.display(), reason(&error)),
        )
    })
}

//! Verifies a server certificate: first by webpki and, if webpki refuses what libpq accepts, by the
//! rules in `chain` and `names`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::settings::Verify;
use super::{chain, keys, names};

/// Verifies the certificate of one server.
pub(super) struct Verifier {
    verify: Verify,
    /// `None` if webpki can use none of the trusted certificates.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    /// Libraries that use webpki, such as sqlx, refuse the certificate.
    is_refused_by_webpki: AtomicBool,
}

impl Verifier {
    pub(super) fn new(
        verify: Verify,
        roots: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
        Self {
            verify,
            webpki: webpki.build().ok(),
            roots,
            provider,
            is_refused_by_webpki: AtomicBool::new(false),
        }
    }

    /// Whether only our own rules accept the certificate.
    pub(super) fn is_refused_by_webpki(&self) -> bool {
        self.is_refused_by_webpki.load(Ordering::Relaxed)
    }

    fn set_refused_by_webpki(&self) {
        self.is_refused_by_webpki.store(true, Ordering::Relaxed);
    }

    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }

    fn check(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let by_webpki = match &self.webpki {
            None => Err(CertificateError::UnknownIssuer.into()),
            Some(webpki) => webpki.verify_server_cert(server, intermediates, name, &[], now),
        };
        let Err(refusal) = by_webpki else {
            return Ok(());
        };
        let Error::InvalidCertificate(reason) = &refusal else {
            return Err(refusal);
        };
        let is_wrong_name = is_about_the_name(reason);
        if is_wrong_name && self.verify == Verify::Authority {
            return Ok(());
        }
        if !is_wrong_name && !may_be_accepted(reason) {
            return Err(refusal);
        }
        let certificate = keys::parse(server)?;
        // webpki checks the name last: if only the name is wrong, the chain is valid.
        if !is_wrong_name {
            let algorithms = self.algorithms();
            chain::check(&certificate, intermediates, &self.roots, algorithms, now)?;
        }
        if self.verify == Verify::AuthorityAndName && !names::is_valid_for(&certificate, name) {
            return Err(if is_wrong_name {
                refusal
            } else {
                let (expected, presented) = (name.to_owned(), Vec::new());
                CertificateError::NotValidForNameContext {
                    expected,
                    presented,
                }
                .into()
            });
        }
        self.set_refused_by_webpki();
        Ok(())
    }
}

fn is_about_the_name(reason: &CertificateError) -> bool {
    matches!(
        reason,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    )
}

/// Whether our own rules may accept what webpki refuses. Never an expired certificate, an invalid
/// signature or a wrong purpose.
fn may_be_accepted(reason: &CertificateError) -> bool {
    matches!(
        reason,
        CertificateError::BadEncoding
            | CertificateError::UnknownIssuer
            | CertificateError::Other(_)
    )
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.verify != Verify::Nothing {
            self.check(end_entity, intermediates, server_name, now)?;
        }
        if ParsedCertificate::try_from(end_entity).is_err() {
            self.set_refused_by_webpki();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verify = match ParsedCertificate::try_from(cert) {
            Ok(_) => verify_tls12_signature,
            Err(_) => keys::verify_tls12,
        };
        verify(message, cert, dss, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verify = match ParsedCertificate::try_from(cert) {
            Ok(_) => verify_tls13_signature,
            Err(_) => keys::verify_tls13,
        };
        verify(message, cert, dss, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

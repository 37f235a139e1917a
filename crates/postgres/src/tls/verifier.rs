//! Judges a server's certificate: first webpki, and where it refuses what libpq accepts, the rules
//! in `chain` and `names`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::settings::Verify;
use super::{chain, keys, names};

/// Judges one server's certificate.
pub(super) struct Verifier {
    verify: Verify,
    /// None where no trusted certificate is one that webpki can use.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    /// The certificate is one that other libraries on webpki would refuse.
    is_unusual: AtomicBool,
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
            is_unusual: AtomicBool::new(false),
        }
    }

    /// Whether only the rules of this crate accepted the certificate.
    pub(super) fn is_unusual(&self) -> bool {
        self.is_unusual.load(Ordering::Relaxed)
    }

    fn set_unusual(&self) {
        self.is_unusual.store(true, Ordering::Relaxed);
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
        // webpki looks at the name last: the rest is in order.
        if is_about_the_name(reason) {
            if self.verify == Verify::Authority {
                return Ok(());
            }
            if !names::is_for(&keys::parse(server)?, name) {
                return Err(refusal);
            }
        } else if may_be_accepted(reason) {
            let certificate = keys::parse(server)?;
            let algorithms = &self.provider.signature_verification_algorithms;
            chain::check(&certificate, intermediates, &self.roots, algorithms, now)?;
            if self.verify == Verify::AuthorityAndName && !names::is_for(&certificate, name) {
                return Err(CertificateError::NotValidForNameContext {
                    expected: name.to_owned(),
                    presented: Vec::new(),
                }
                .into());
            }
        } else {
            return Err(refusal);
        }
        self.set_unusual();
        Ok(())
    }
}

fn is_about_the_name(reason: &CertificateError) -> bool {
    matches!(
        reason,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    )
}

/// Not what every verifier has to refuse: an expired certificate, a wrong signature, a wrong purpose.
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
            self.set_unusual();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        match ParsedCertificate::try_from(cert) {
            Ok(_) => verify_tls12_signature(message, cert, dss, algorithms),
            Err(_) => keys::tls12(message, cert, dss, algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        match ParsedCertificate::try_from(cert) {
            Ok(_) => verify_tls13_signature(message, cert, dss, algorithms),
            Err(_) => keys::tls13(message, cert, dss, algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

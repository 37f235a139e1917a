//! Verifies signatures with the key of a certificate that webpki cannot parse.
//!
//! The algorithms are those of the crypto provider, so no weaker algorithm is accepted.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

type Algorithm = dyn SignatureVerificationAlgorithm;

pub(super) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(CertificateError::BadEncoding.into()),
    }
}

/// Whether `certificate` is signed by a key.
pub(super) fn is_signed_by(
    certificate: &X509Certificate<'_>,
    key: &SubjectPublicKeyInfo<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let signed_with = certificate.signature_algorithm.algorithm.as_bytes();
    // The signed part must name the same algorithm.
    let is_consistent = certificate.tbs_certificate.signature.algorithm.as_bytes() == signed_with;
    let mut candidates = algorithms
        .all
        .iter()
        .filter(|algorithm| is_named(algorithm.signature_alg_id().as_ref(), signed_with));
    let message = certificate.tbs_certificate.as_ref();
    let signature = &certificate.signature_value.data;
    // With unused bits, two different certificates could have the same signature.
    let is_whole = certificate.signature_value.unused_bits == 0;
    is_consistent
        && is_whole
        && candidates.any(|algorithm| verifies(*algorithm, key, message, signature))
}

/// Verifies the server's handshake signature of TLS 1.2.
pub(super) fn verify_tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let certificate = parse(certificate)?;
    let offered = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == signed.scheme);
    let Some((_, candidates)) = offered else {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    };
    let key = certificate.public_key();
    let mut candidates = candidates.iter();
    if candidates.any(|algorithm| verifies(*algorithm, key, message, signed.signature())) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}

/// Verifies the server's handshake signature of TLS 1.3.
pub(super) fn verify_tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let certificate = parse(certificate)?;
    let key = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
    verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}

fn verifies(
    algorithm: &Algorithm,
    key: &SubjectPublicKeyInfo<'_>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let kind = key.algorithm.algorithm.as_bytes();
    is_named(algorithm.public_key_alg_id().as_ref(), kind)
        && algorithm
            .verify_signature(&key.subject_public_key.data, message, signature)
            .is_ok()
}

/// Whether a DER algorithm identifier begins with this object identifier.
fn is_named(identifier: &[u8], oid: &[u8]) -> bool {
    // A tag and a length. The length is one byte for all algorithms.
    let rest = identifier
        .strip_prefix(&[0x06])
        .and_then(|rest| rest.split_first());
    rest.is_some_and(|(length, rest)| usize::from(*length) == oid.len() && rest.starts_with(oid))
}

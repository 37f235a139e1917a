//! Signatures, checked with the key of a certificate that webpki does not parse.
//!
//! The algorithms are the crypto provider's, so that no weaker one is accepted than elsewhere.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
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

/// Whether `certificate` is signed with a key.
pub(super) fn is_signed_by(
    certificate: &X509Certificate<'_>,
    key: &SubjectPublicKeyInfo<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let signed_with = certificate.signature_algorithm.algorithm.as_bytes();
    // What is signed names the algorithm, too.
    let says_so = certificate.tbs_certificate.signature.algorithm.as_bytes() == signed_with;
    let mut fitting = algorithms
        .all
        .iter()
        .filter(|algorithm| is_named(algorithm.signature_alg_id().as_ref(), signed_with));
    let message = certificate.tbs_certificate.as_ref();
    let signature = &certificate.signature_value.data;
    // Bits that do not count would be another certificate of the same signature.
    let is_whole = certificate.signature_value.unused_bits == 0;
    says_so && is_whole && fitting.any(|algorithm| verifies(*algorithm, key, message, signature))
}

pub(super) fn tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let certificate = parse(certificate)?;
    let mapping = algorithms.mapping.iter();
    let fitting = mapping
        .filter(|(scheme, _)| *scheme == signed.scheme && is_for_tls12(*scheme))
        .flat_map(|(_, algorithms)| algorithms.iter());
    let mut is_known = false;
    for algorithm in fitting {
        is_known = true;
        if verifies(
            *algorithm,
            certificate.public_key(),
            message,
            signed.signature(),
        ) {
            return Ok(HandshakeSignatureValid::assertion());
        }
    }
    Err(if is_known {
        CertificateError::BadSignature.into()
    } else {
        PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into()
    })
}

pub(super) fn tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let certificate = parse(certificate)?;
    let key = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
    verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}

/// As rustls has it: schemes whose algorithm it knows.
fn is_for_tls12(scheme: SignatureScheme) -> bool {
    !matches!(scheme, SignatureScheme::Unknown(_))
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

/// Whether an algorithm identifier, in DER, begins with this object identifier.
fn is_named(identifier: &[u8], oid: &[u8]) -> bool {
    // Tag and length, which is a single byte for every algorithm there is.
    let rest = identifier
        .strip_prefix(&[0x06])
        .and_then(|rest| rest.split_first());
    rest.is_some_and(|(length, rest)| usize::from(*length) == oid.len() && rest.starts_with(oid))
}

//! Verifies the certificate chain where webpki refuses what libpq accepts: X.509 version 1, and a
//! self-signed certificate that is both the authority and the server's certificate.
//!
//! The rules are those of RFC 5280. A critical extension that is not implemented here is refused.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use super::keys::{is_signed_by, parse};

/// The maximum number of intermediate certificates.
const MAX_DEPTH: usize = 6;
/// The maximum number of signature checks: a server can send many certificates of the same name.
const MAX_SIGNATURES: usize = 60;

struct Search<'a> {
    intermediates: Vec<X509Certificate<'a>>,
    roots: Vec<X509Certificate<'a>>,
    algorithms: &'a WebPkiSupportedAlgorithms,
    now: ASN1Time,
    signatures_left: usize,
}

/// Verifies that a chain leads from the server certificate to a root.
pub(super) fn check(
    server: &X509Certificate<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    algorithms: &WebPkiSupportedAlgorithms,
    now: UnixTime,
) -> Result<(), Error> {
    if !may_be_server(server) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    let readable = |certificates| -> Vec<X509Certificate<'_>> {
        let certificates: &[CertificateDer<'_>] = certificates;
        certificates.iter().filter_map(|c| parse(c).ok()).collect()
    };
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let mut search = Search {
        intermediates: readable(intermediates),
        roots: readable(roots),
        algorithms,
        now: ASN1Time::from_timestamp(seconds).map_err(|_| Error::FailedToGetCurrentTime)?,
        signatures_left: MAX_SIGNATURES,
    };
    search.check_validity(server)?;
    if search.leads_to_root(server, 0) {
        Ok(())
    } else {
        Err(CertificateError::UnknownIssuer.into())
    }
}

impl Search<'_> {
    fn check_validity(&self, certificate: &X509Certificate<'_>) -> Result<(), Error> {
        let validity = certificate.validity();
        if self.now < validity.not_before {
            return Err(CertificateError::NotValidYet.into());
        }
        if self.now > validity.not_after {
            return Err(CertificateError::Expired.into());
        }
        let mut extensions = certificate.extensions().iter();
        if extensions.any(|e| e.critical && !is_understood(e.parsed_extension())) {
            return Err(CertificateError::UnhandledCriticalExtension.into());
        }
        Ok(())
    }

    fn leads_to_root(&mut self, certificate: &X509Certificate<'_>, depth: usize) -> bool {
        let issued_by = |issuer: &X509Certificate<'_>| {
            issuer.subject().as_raw() == certificate.issuer().as_raw()
        };
        let roots: Vec<_> = self
            .roots
            .iter()
            .filter(|r| issued_by(r))
            .cloned()
            .collect();
        for root in roots {
            let is_itself = root.as_ref() == certificate.as_ref();
            let may_issue = is_itself || may_be_authority(&root, depth, true);
            if may_issue && self.check_validity(&root).is_ok() && self.is_signed(certificate, &root)
            {
                return true;
            }
        }
        if depth == MAX_DEPTH {
            return false;
        }
        let between = self.intermediates.iter();
        let between: Vec<_> = between.filter(|i| issued_by(i)).cloned().collect();
        between.iter().any(|issuer| {
            may_be_authority(issuer, depth, false)
                && self.check_validity(issuer).is_ok()
                && self.is_signed(certificate, issuer)
                && self.leads_to_root(issuer, depth + 1)
        })
    }

    fn is_signed(&mut self, certificate: &X509Certificate<'_>, by: &X509Certificate<'_>) -> bool {
        if self.signatures_left == 0 {
            return false;
        }
        self.signatures_left -= 1;
        is_signed_by(certificate, by.public_key(), self.algorithms)
    }
}

/// A version 1 certificate has no extended key usage: it may be for any purpose.
fn may_be_server(certificate: &X509Certificate<'_>) -> bool {
    match certificate.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.any || usage.value.server_auth,
        Err(_) => false,
    }
}

/// `depth`: the number of intermediate certificates below it.
fn may_be_authority(certificate: &X509Certificate<'_>, depth: usize, is_root: bool) -> bool {
    if certificate.version() == X509Version::V1 {
        // Version 1 has no basic constraints. The operator has chosen the roots.
        return is_root && certificate.subject().as_raw() == certificate.issuer().as_raw();
    }
    let constraints = certificate.basic_constraints();
    let Ok(Some(constraints)) = constraints else {
        return false;
    };
    let is_depth_allowed = constraints
        .value
        .path_len_constraint
        .is_none_or(|limit| depth <= usize::try_from(limit).unwrap_or(usize::MAX));
    let signs = match certificate.key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Err(_) => false,
    };
    constraints.value.ca && is_depth_allowed && signs
}

fn is_understood(extension: &ParsedExtension<'_>) -> bool {
    matches!(
        extension,
        ParsedExtension::BasicConstraints(_)
            | ParsedExtension::KeyUsage(_)
            | ParsedExtension::ExtendedKeyUsage(_)
            | ParsedExtension::SubjectAlternativeName(_)
    )
}

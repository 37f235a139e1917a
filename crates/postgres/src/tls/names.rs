//! Whether a certificate is valid for a host, as in libpq: by the subject alternative names or, if
//! there is none of the host's kind, by the common name.

use std::net::IpAddr;

use rustls::pki_types::ServerName;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

pub(super) fn is_valid_for(certificate: &X509Certificate<'_>, host: &ServerName<'_>) -> bool {
    let text = host.to_str();
    let address: Option<IpAddr> = text.parse().ok();
    let Ok(alternatives) = certificate.subject_alternative_name() else {
        return false;
    };
    let mut has_same_kind = false;
    for name in alternatives
        .iter()
        .flat_map(|names| &names.value.general_names)
    {
        match (name, address) {
            (GeneralName::DNSName(name), _) => {
                has_same_kind |= address.is_none();
                if matches(name, &text) {
                    return true;
                }
            }
            (GeneralName::IPAddress(bytes), Some(address)) => {
                has_same_kind = true;
                if is_address(bytes, address) {
                    return true;
                }
            }
            _ => {}
        }
    }
    let common_name = certificate.subject().iter_common_name().next();
    let common_name = common_name.and_then(|name| name.as_str().ok());
    !has_same_kind && common_name.is_some_and(|name| matches(name, &text))
}

fn is_address(bytes: &[u8], address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => bytes == address.octets(),
        IpAddr::V6(address) => bytes == address.octets(),
    }
}

/// The `*` in `*.example.com` matches one label.
fn matches(pattern: &str, host: &str) -> bool {
    let is_address = host.parse::<IpAddr>().is_ok();
    match pattern.strip_prefix("*.") {
        Some(domain) if !is_address => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain)),
        _ => pattern.eq_ignore_ascii_case(host),
    }
}

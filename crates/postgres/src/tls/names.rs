//! Whether a certificate is for a host, as libpq decides it: by the alternative names, and by the
//! common name where there is no alternative name of the host's kind.

use std::net::IpAddr;

use rustls::pki_types::ServerName;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

pub(super) fn is_for(certificate: &X509Certificate<'_>, host: &ServerName<'_>) -> bool {
    let text = host.to_str();
    let address: Option<IpAddr> = text.parse().ok();
    let Ok(alternatives) = certificate.subject_alternative_name() else {
        return false;
    };
    let mut has_its_kind = false;
    for name in alternatives
        .iter()
        .flat_map(|names| &names.value.general_names)
    {
        match (name, address) {
            (GeneralName::DNSName(name), _) => {
                has_its_kind |= address.is_none();
                if fits(name, &text) {
                    return true;
                }
            }
            (GeneralName::IPAddress(bytes), Some(address)) => {
                has_its_kind = true;
                if is_address(bytes, address) {
                    return true;
                }
            }
            _ => {}
        }
    }
    let common_name = certificate.subject().iter_common_name().next();
    let common_name = common_name.and_then(|name| name.as_str().ok());
    !has_its_kind && common_name.is_some_and(|name| fits(name, &text))
}

fn is_address(bytes: &[u8], address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => bytes == address.octets(),
        IpAddr::V6(address) => bytes == address.octets(),
    }
}

/// `*.example.com` stands for one label.
fn fits(pattern: &str, host: &str) -> bool {
    let is_address = host.parse::<IpAddr>().is_ok();
    match pattern.strip_prefix("*.") {
        Some(domain) if !is_address => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain)),
        _ => pattern.eq_ignore_ascii_case(host),
    }
}

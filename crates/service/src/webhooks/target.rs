//! The URL of a webhook.

use std::net::IpAddr;

use url::{Host, Url};

use crate::webhooks::address::WebhookNetworks;

/// The maximum length of a URL, in bytes.
const MAX_LENGTH: usize = 2048;

/// Why a URL cannot be the URL of a webhook. The text follows the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Too long.
    #[error("must be at most {MAX_LENGTH} bytes")]
    TooLong,
    /// Not a URL with a host.
    #[error("must be a URL such as https://example.com/webhooks")]
    NoUrl,
    /// A space or a control character, which parsers treat differently.
    #[error("must not contain spaces or control characters: write them percent-encoded")]
    Spaces,
    /// Neither `https` nor an allowed `http`.
    #[error("must start with https://")]
    Scheme,
    /// A user or a password.
    #[error("must not contain a user name or a password: the signature authenticates deliveries")]
    Credentials,
    /// A fragment, which is never sent.
    #[error("must not contain a fragment (#…): it is never sent")]
    Fragment,
    /// Port 0.
    #[error("must not have the port 0")]
    Port,
    /// The address is not public.
    #[error(
        "must not lead to a loopback, private, link-local, multicast or other special address: deliveries are \
         sent to public addresses only"
    )]
    Address,
}

/// A URL that deliveries can be sent to, as far as the URL alone says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookTarget {
    url: Url,
}

impl WebhookTarget {
    /// Checks a URL. A name is not resolved: the worker checks its addresses when it connects.
    pub fn parse(text: &str, networks: &WebhookNetworks) -> Result<Self, TargetError> {
        if text.len() > MAX_LENGTH {
            return Err(TargetError::TooLong);
        }
        // The parser removes some of them, also within the host.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(TargetError::Spaces);
        }
        let url = Url::parse(text).map_err(|_| TargetError::NoUrl)?;
        let is_plain = match url.scheme() {
            "https" => false,
            "http" if networks.has_allowed() => true,
            _ => return Err(TargetError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() || has_userinfo(text) {
            return Err(TargetError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        if url.port() == Some(0) {
            return Err(TargetError::Port);
        }
        // The parser has turned decimal, octal, hexadecimal and full-width forms into addresses.
        match url.host().ok_or(TargetError::NoUrl)? {
            Host::Ipv4(address) => check(address.into(), is_plain, networks)?,
            Host::Ipv6(address) => check(address.into(), is_plain, networks)?,
            Host::Domain(name) => check_name(name, networks)?,
        }
        Ok(Self { url })
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether deliveries are not encrypted. Then the address must be in an allowed network.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }
}

fn check(address: IpAddr, is_plain: bool, networks: &WebhookNetworks) -> Result<(), TargetError> {
    if networks.is_allowed(address) {
        Ok(())
    } else if !networks.permits(address) {
        Err(TargetError::Address)
    } else if is_plain {
        Err(TargetError::Scheme)
    } else {
        Ok(())
    }
}

/// `localhost` and the names below it are loopback (RFC 6761), whatever the resolver says.
fn check_name(name: &str, networks: &WebhookNetworks) -> Result<(), TargetError> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name.is_empty() {
        return Err(TargetError::NoUrl);
    }
    let is_local = name == "localhost" || name.ends_with(".localhost");
    let loopback = [
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::from([0_u16, 0, 0, 0, 0, 0, 0, 1]),
    ];
    if is_local && !loopback.iter().any(|&address| networks.permits(address)) {
        return Err(TargetError::Address);
    }
    Ok(())
}

/// Whether there is an `@` in the authority: the parser drops an empty user.
fn has_userinfo(text: &str) -> bool {
    let rest = text.split_once("//").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(), TargetError> {
        WebhookTarget::parse(text, &WebhookNetworks::default()).map(|_| ())
    }

    #[test]
    fn public_https_urls_are_accepted() {
        for good in [
            "https://example.com",
            "https://example.com:8443/webhooks?tenant=1",
            "https://bücher.example/x",
            "https://8.8.8.8/x",
            "https://[2606:4700:4700::1111]/x",
            "https://localhost.example.com/",
            "https://127.0.0.1.nip.example/",
            "HTTPS://EXAMPLE.COM/",
        ] {
            assert_eq!(parse(good), Ok(()), "{good}");
        }
    }

    /// Spellings of addresses that are not public. The resolver of the worker does not see literals, so they must be
    /// found here.
    #[test]
    fn no_spelling_of_a_special_address_is_accepted() {
        for bad in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://127.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.0.0.1/",
            "https://0X7F.1/",
            "https://017700000001/",
            "https://0177.0.0.1/",
            "https://0177.0.0.01/",
            "https://127.0.0.1./",
            "https://127。0。0。1/",
            "https://127.0.0.1/",
            "https://①②⑦.⓪.⓪.①/",
            "https://１２７.0.0.1/",
            "https://%31%32%37.0.0.1/",
            "https://127%2e0%2e0%2e1/",
            "https://0/",
            "https://0.0.0.0/",
            "https://00/",
            "https://10.0.0.1/",
            "https://167772161/",
            "https://012.0.0.1/",
            "https://172.16.5.4/",
            "https://192.168.1.1/",
            "https://3232235777/",
            "https://169.254.169.254/latest/meta-data/",
            "https://2852039166/",
            "https://0xa9fea9fe/",
            "https://0251.0376.0251.0376/",
            "https://169.254.43518/",
            "https://100.100.100.200/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[::]/",
            "https://[::127.0.0.1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::FFFF:A9FE:A9FE]/",
            "https://[0:0:0:0:0:ffff:10.0.0.1]/",
            "https://[64:ff9b::127.0.0.1]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:0:7f00:1::]/",
            "https://[fe80::1]/",
            "https://[fc00::1]/",
            "https://[fd00:ec2::254]/",
            "https://[ff02::1]/",
            "https://localhost/",
            "https://LOCALHOST:8443/",
            "https://localhost./",
            "https://a.localhost/",
            "https://ⓛocalhost/",
        ] {
            assert_eq!(parse(bad), Err(TargetError::Address), "{bad}");
        }
    }

    #[test]
    fn other_faults_have_their_rules() {
        let long = format!("https://example.com/{}", "x".repeat(2048));
        for (bad, error) in [
            (long.as_str(), TargetError::TooLong),
            ("example.com/x", TargetError::NoUrl),
            ("https://", TargetError::NoUrl),
            ("https://[::1", TargetError::NoUrl),
            ("https://256.0.0.1/", TargetError::NoUrl),
            ("https://[fe80::1%25eth0]/", TargetError::NoUrl),
            ("https://./", TargetError::NoUrl),
            ("https://exam\tple.com/", TargetError::Spaces),
            ("https://127.0.\n0.1/", TargetError::Spaces),
            (" https://example.com/", TargetError::Spaces),
            ("http://example.com/", TargetError::Scheme),
            ("http://127.0.0.1/", TargetError::Scheme),
            ("ftp://example.com/", TargetError::Scheme),
            ("file:///etc/passwd", TargetError::Scheme),
            ("gopher://127.0.0.1/", TargetError::Scheme),
            ("https://user@example.com/", TargetError::Credentials),
            ("https://user:pass@example.com/", TargetError::Credentials),
            ("https://:@example.com/", TargetError::Credentials),
            ("https://@example.com/", TargetError::Credentials),
            ("https://example.com@127.0.0.1/", TargetError::Credentials),
            ("https://example.com/#x", TargetError::Fragment),
            ("https://example.com:0/", TargetError::Port),
        ] {
            assert_eq!(parse(bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn an_allowed_network_needs_no_tls_and_every_other_address_does() {
        let networks = WebhookNetworks::new("10.0.0.0/8, 127.0.0.1".parse().unwrap());
        let parse = |text| WebhookTarget::parse(text, &networks).map(|_| ());
        for good in [
            "http://10.1.2.3:8080/x",
            "https://10.1.2.3/",
            "http://[::ffff:10.0.0.1]/",
            "http://hooks.internal/",
            "http://localhost:8080/",
            "https://8.8.8.8/",
        ] {
            assert_eq!(parse(good), Ok(()), "{good}");
        }
        assert_eq!(parse("http://8.8.8.8/"), Err(TargetError::Scheme));
        assert_eq!(parse("http://192.168.0.1/"), Err(TargetError::Address));
        assert_eq!(parse("https://127.0.0.2/"), Err(TargetError::Address));
    }
}

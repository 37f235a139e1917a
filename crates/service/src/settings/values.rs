//! The forms of values: addresses, URLs, texts and secrets.

use std::net::SocketAddr;

use secrecy::SecretString;
use url::Url;

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "must be an IP address and a port such as 127.0.0.1:8080".to_owned())
}

pub(super) fn parse_public_url(text: &str) -> Result<Url, String> {
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let url = Url::parse(text).ok().filter(is_plain);
    url.ok_or_else(|| {
        "must be http:// or https://, a host, and at most a port and a path".to_owned()
    })
}

pub(super) fn parse_proxy_url(text: &str) -> Result<Url, String> {
    let is_proxy = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let url = Url::parse(text).ok().filter(is_proxy);
    url.ok_or_else(|| "must be a proxy such as http://proxy.internal:3128".to_owned())
}

/// The parser of addresses is in `exports_postgres`.
pub(super) fn parse_database_url(text: &str) -> Result<SecretString, &'static str> {
    if text.is_empty() {
        return Err("must be postgres://user:password@host:port/database");
    }
    Ok(SecretString::from(text))
}

pub(super) fn parse_text(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    Ok(text.to_owned())
}

pub(super) fn parse_secret(text: &str) -> Result<SecretString, &'static str> {
    parse_text(text).map(SecretString::from)
}

/// A text with several lines.
pub(super) fn parse_pem(text: &str) -> Result<SecretString, &'static str> {
    let is_allowed = |char: char| matches!(char, '\r' | '\n') || !char.is_control();
    if !text.chars().all(is_allowed) {
        return Err("must not contain a control character");
    }
    parse_secret(text.trim())
}

pub(super) fn parse_signing_key(text: &str) -> Result<SecretString, String> {
    if text.len() < 32 {
        return Err(match text.len() {
            0 => "must be 32 bytes or more".to_owned(),
            length => format!("must be 32 bytes or more: it has {length}"),
        });
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_must_be_an_http_url_without_credentials_or_query() {
        for good in ["http://127.0.0.1:8080", "https://example.com/exports/"] {
            assert!(parse_public_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "ftp://a",
            "https://u:p@a",
            "https://a/?b",
            "mailto:a@b",
        ] {
            assert!(parse_public_url(bad).is_err(), "{bad}");
        }
    }
}

//! The address of the client: the peer of the connection, or what trusted proxies say.
//!
//! Each proxy appends the address from which it got the request. So the header is read from the right, and only as long as the
//! address that wrote an entry is trusted: everything further left may come from the client. `X-Forwarded-For` wins, because
//! usual proxies write it and pass a `Forwarded` of the client on.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName};
use exports_service::http_server::PeerAddr;
use exports_service::settings::Networks;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// More proxies in a row do not exist.
const MAX_HOPS: usize = 32;
/// The longest form: an IPv6 address with a port, in brackets and quotes.
const MAX_HOP_LENGTH: usize = 64;

/// The address of the client of a request; `None` if the connection has none.
pub(crate) fn client_address(request: &Request, trusted: &Networks) -> Option<IpAddr> {
    let &PeerAddr(peer) = request.extensions().get()?;
    Some(behind_proxies(peer.ip(), request.headers(), trusted))
}

fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.contains(peer) {
        return peer;
    }
    let (name, parse): (_, fn(&str) -> Option<IpAddr>) = if headers.contains_key(X_FORWARDED_FOR) {
        (X_FORWARDED_FOR, address)
    } else {
        (FORWARDED, forwarded_for)
    };
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    let hops = lines.into_iter().rev().flat_map(|line| {
        let text = line.to_str().unwrap_or_default();
        text.rsplit(',').map(parse)
    });
    let mut client = peer;
    for hop in hops.take(MAX_HOPS) {
        // A proxy may hide an address ("unknown"): then the proxy itself is all that is known.
        let Some(address) = hop else { break };
        client = address;
        if !trusted.contains(client) {
            break;
        }
    }
    client
}

/// The `for` of one element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(node)
}

/// An address, with or without quotes, brackets and port.
fn address(node: &str) -> Option<IpAddr> {
    let node = node.trim().trim_matches('"');
    if node.len() > MAX_HOP_LENGTH {
        return None;
    }
    let bracketed = || node.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || node.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = node.parse().ok().or_else(bracketed).or_else(with_port);
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(HeaderName, &str)]) -> String {
        let trusted = "10.0.0.0/8, 2001:db8::/32".parse().unwrap();
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        behind_proxies(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_headers_of_an_untrusted_peer_are_ignored() {
        let peer = "203.0.113.9";
        for name in [X_FORWARDED_FOR, FORWARDED] {
            assert_eq!(client(peer, &[(name.clone(), "192.0.2.1")]), peer);
            assert_eq!(client(peer, &[(name, "for=192.0.2.1")]), peer);
        }
        assert_eq!(client(peer, &[]), peer);
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        for (value, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("198.51.100.7, 192.0.2.1", "192.0.2.1"),
            ("198.51.100.7, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
            ("192.0.2.1:4711,10.0.0.2:80", "192.0.2.1"),
            ("[2001:db8:1::9]:80", "2001:db8:1::9"),
            ("2600::1", "2600::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            // All are trusted: the leftmost.
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            // Not an address: the proxy that wrote it.
            ("unknown", "10.0.0.1"),
            ("192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("192.0.2.1,", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("192.0.2.1\u{7f}x", "10.0.0.1"),
        ] {
            if let Ok(value) = value.parse::<axum::http::HeaderValue>() {
                let headers = [(X_FORWARDED_FOR, value.to_str().unwrap_or_default())];
                assert_eq!(client("10.0.0.1", &headers), expected, "{value:?}");
            }
        }
    }

    #[test]
    fn forwarded_is_read_if_there_is_no_x_forwarded_for() {
        for (value, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1:80\";proto=https;by=10.0.0.1", "192.0.2.1"),
            ("for=198.51.100.7, proto=http; for=192.0.2.1", "192.0.2.1"),
            ("for=\"[2600::1]:4711\"", "2600::1"),
            ("for=_hidden", "10.0.0.1"),
            ("by=192.0.2.1", "10.0.0.1"),
        ] {
            assert_eq!(
                client("10.0.0.1", &[(FORWARDED, value)]),
                expected,
                "{value}"
            );
        }
        let both = [
            (FORWARDED, "for=198.51.100.7"),
            (X_FORWARDED_FOR, "192.0.2.1"),
        ];
        assert_eq!(client("10.0.0.1", &both), "192.0.2.1");
    }

    #[test]
    fn several_lines_are_one_list_and_long_lists_are_bounded() {
        let lines = [
            (X_FORWARDED_FOR, "198.51.100.7"),
            (X_FORWARDED_FOR, "192.0.2.1, 10.0.0.2"),
        ];
        assert_eq!(client("10.0.0.1", &lines), "192.0.2.1");
        let long = format!("192.0.2.1{}", ", 10.0.0.2".repeat(1000));
        assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, &long)]), "10.0.0.2");
        let wide = format!("{}192.0.2.1", "0".repeat(5000));
        assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, &wide)]), "10.0.0.1");
    }
}

//! Clients that send `Authorization` on when a redirect leads to another host.
//!
//! A signed link is a way of authorization by itself, and Amazon's S3, for one, refuses a request
//! that has two (400). Besides, the key is none of the store's business. Such clients are known by
//! their `User-Agent`; one that hides its own is helped by `?redirect=false` alone.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;

/// The product that `User-Agent` begins with. Each was seen to send the header on, in the version
/// named: a server's redirect from 127.0.0.1 to localhost, followed by default or by its usual
/// option. (These were seen to remove it: curl 7.88, Java 17's `HttpURLConnection`, Node's `fetch`.)
const PRODUCTS: [&str; 8] = [
    // 1.21.3, with `--header`: what the command line gives is sent to every host.
    "Wget",
    // 1.99.1 (wget2), the same.
    "wget2",
    // 1.36.0, with `--header`.
    "aria2",
    // 3.11: `urllib.request` copies every header but those of the body.
    "Python-urllib",
    // 17: `java.net.http.HttpClient` keeps the headers of the first request.
    "Java-http-client",
    // 6.68: `LWP::UserAgent` clones the request.
    "libwww-perl",
    // 0.080: `HTTP::Tiny`, part of Perl.
    "HTTP-Tiny",
    // 3.1: `open-uri`.
    "Ruby",
];

/// Whether the client would show its key to the store.
pub(crate) fn keeps_authorization(headers: &HeaderMap) -> bool {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    let product = agent.and_then(|agent| agent.split(['/', ' ']).next());
    product.is_some_and(|product| {
        let mut known = PRODUCTS.iter();
        known.any(|known| known.eq_ignore_ascii_case(product))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn keeps(agent: &'static str) -> bool {
        let agent = HeaderValue::from_static(agent);
        keeps_authorization(&HeaderMap::from_iter([(USER_AGENT, agent)]))
    }

    #[test]
    fn clients_are_known_by_the_product_whatever_its_version() {
        for agent in [
            "Wget/1.21.3",
            "Wget/1.12 (linux-gnu)",
            "wget2/1.99.1",
            "aria2/1.36.0",
            "Python-urllib/3.11",
            "Java-http-client/17.0.15",
            "libwww-perl/6.68",
            "HTTP-Tiny/0.080",
            "Ruby",
        ] {
            assert!(keeps(agent), "{agent}");
        }
        for agent in [
            "curl/7.88.1",
            "Java/17.0.15",
            "python-requests/2.32.3",
            "node",
            "Mozilla/5.0 (X11; Linux x86_64) Wget/1.21.3",
            "Wgetter/1",
            "",
        ] {
            assert!(!keeps(agent), "{agent}");
        }
        assert!(!keeps_authorization(&HeaderMap::new()));
    }
}

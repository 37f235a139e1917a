//! Clients that forward the `Authorization` header when a redirect leads to another host.
//!
//! A signed link already authorizes the request, and Amazon S3, for example, rejects a request with two authorizations (400).
//! The store must not see the API key either. The `User-Agent` identifies these clients. All others can use `?redirect=false`.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;

/// The first product in `User-Agent`. Tested with the version in the comment: each forwards the header on a redirect from
/// 127.0.0.1 to localhost. (curl 7.88, Java 17's `HttpURLConnection` and Node's `fetch` remove it.)
const PRODUCTS: [&str; 8] = [
    // 1.21.3, with `--header`: sends the headers of the command line to every host.
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

/// Whether the client would send its API key to the store.
pub(crate) fn forwards_authorization(headers: &HeaderMap) -> bool {
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

    fn forwards(agent: &'static str) -> bool {
        let agent = HeaderValue::from_static(agent);
        forwards_authorization(&HeaderMap::from_iter([(USER_AGENT, agent)]))
    }

    #[test]
    fn the_first_product_identifies_the_client_in_any_version() {
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
            assert!(forwards(agent), "{agent}");
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
            assert!(!forwards(agent), "{agent}");
        }
        assert!(!forwards_authorization(&HeaderMap::new()));
    }
}

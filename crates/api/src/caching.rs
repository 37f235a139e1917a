//! `Cache-Control`: what browsers and proxies may keep.
//!
//! | response | value |
//! |---|---|
//! | a link or a secret: the download of an export, the secret of a webhook | `no-store` |
//! | an event stream: it never ends | `no-store` |
//! | an error | `no-store` |
//! | everything else under `/v1`, and files | `private, no-cache`: only the client may keep it, and it asks again before each use |
//! | `/healthz`, `/readyz` | `no-store`: the state of this moment |
//! | `/console`, `/docs` and their files | `no-cache`: they have no secrets, and the browser asks by `ETag` whether a release has changed them |
//! | `/openapi.json` | `public, max-age=300`: it changes only with a release |

use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, HeaderValue};

use crate::pages;

/// Nobody may keep the response.
pub(crate) const NO_STORE: &str = "no-store";
/// The client may keep the response, and must ask again before it uses it.
pub(crate) const PRIVATE: &str = "private, no-cache";

/// Everybody may keep the response, and must ask again before they use it.
pub(crate) const NO_CACHE: &str = "no-cache";

/// For responses that carry a link or a secret.
pub(crate) fn no_store() -> (HeaderName, HeaderValue) {
    (CACHE_CONTROL, HeaderValue::from_static(NO_STORE))
}

/// The value for a successful response that sets none itself.
pub(crate) fn default_of(path: &str) -> &'static str {
    match path {
        "/openapi.json" => "public, max-age=300",
        "/healthz" | "/readyz" => NO_STORE,
        path if pages::is_path(path) => NO_CACHE,
        _ => PRIVATE,
    }
}

//! `/console`: a web page that uses the API, for people.
//!
//! The page and its files are part of the program. They need no key: whoever opens the page signs in with one, and the page sends
//! it with its requests to `/v1`, like any other client. The page is plain ES modules without a framework and without a build
//! step: what a browser reads is what a reviewer reads, `cargo build` needs no second toolchain, and there are no packages whose
//! updates and licenses somebody has to follow.
//!
//! The policy in the headers lets the page load only its own files and send requests only to its own origin. It forbids inline
//! scripts and inline styles, so text that comes from messages, labels or URLs cannot become code.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LOCATION, REFERRER_POLICY,
};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::etag;
use crate::state::AppState;

const PATH: &str = "/console";
const INDEX: &str = "index.html";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
struct Asset {
    name: &'static str,
    content: &'static [u8],
    etag: String,
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/console/", $name)) as &'static [u8],
        )),*]
    };
}

/// All of them. The entity tags are computed once.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let assets = assets![
        "index.html",
        "style.css",
        "parts.css",
        "icon.svg",
        "api.js",
        "chart.js",
        "columns.js",
        "create.js",
        "curl.js",
        "deliveries.js",
        "detail.js",
        "dom.js",
        "estimate.js",
        "facts.js",
        "feedback.js",
        "fields.js",
        "files.js",
        "list.js",
        "live.js",
        "main.js",
        "request.js",
        "router.js",
        "row.js",
        "signin.js",
        "time.js",
        "timeline.js",
        "webhooks.js",
    ];
    let assets = assets.into_iter().map(|(name, content)| Asset {
        name,
        content,
        etag: format!("\"{}\"", hex::encode(&Sha256::digest(content)[..16])),
    });
    assets.collect()
});

/// Whether the path is the page's, or that of one of its files.
pub(crate) fn is_path(path: &str) -> bool {
    let rest = path.strip_prefix(PATH);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The routes of the page.
pub(crate) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route(PATH, get(page))
        .route("/console/", get(without_slash))
        .route("/console/{file}", get(file))
}

async fn page(headers: HeaderMap) -> Result<Response, ApiError> {
    respond(INDEX, &headers)
}

/// The addresses in the page are relative to `/console`. This one is relative, too, because a proxy may add a path.
async fn without_slash() -> Response {
    let location = [(LOCATION, HeaderValue::from_static("../console"))];
    (StatusCode::PERMANENT_REDIRECT, location).into_response()
}

async fn file(uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    // Without decoding: no name needs it, and a path that is not UTF-8 is an unknown one, too.
    let name = uri.path().strip_prefix("/console/").unwrap_or_default();
    // The addresses in the page would not be right there.
    if name == INDEX {
        return Err(ApiError::RouteNotFound);
    }
    respond(name, &headers)
}

fn respond(name: &str, request: &HeaderMap) -> Result<Response, ApiError> {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let asset = asset.ok_or(ApiError::RouteNotFound)?;
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (ETAG, &asset.etag),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    if etag::matches(request, &asset.etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let content_type = [(CONTENT_TYPE, content_type(name))];
    Ok((headers, content_type, Bytes::from_static(asset.content)).into_response())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The sum of all files.
    const MAX_SIZE: usize = 150 << 10;

    #[test]
    fn the_files_of_the_page_are_small() {
        let size: usize = ASSETS.iter().map(|asset| asset.content.len()).sum();
        assert!(size <= MAX_SIZE, "{size}");
        for asset in ASSETS.iter() {
            let lines = asset.content.split(|byte| *byte == b'\n').count();
            assert!(lines <= 400, "{} has {lines} lines", asset.name);
        }
    }

    #[test]
    fn the_program_contains_every_file_of_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/console");
        let files = std::fs::read_dir(folder).unwrap();
        let files: BTreeSet<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let served: BTreeSet<_> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        assert_eq!(files, served);
    }

    #[test]
    fn no_file_has_inline_code_or_another_origin() {
        for asset in ASSETS.iter() {
            let text = std::str::from_utf8(asset.content).unwrap();
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "style=",
                "onclick=",
            ] {
                assert!(!text.contains(forbidden), "{} has {forbidden}", asset.name);
            }
            // The placeholder of an input, and a sentence.
            let text = text.replace("https://example.com", "");
            for origin in text.split("https://").skip(1) {
                assert!(origin.starts_with(' '), "{}: {origin:.40}", asset.name);
            }
        }
    }

    #[test]
    fn only_the_page_and_what_is_below_it_are_its_paths() {
        for path in ["/console", "/console/", "/console/api.js"] {
            assert!(is_path(path), "{path}");
        }
        for path in ["/", "/consoles", "/v1/console", "/v1/exports"] {
            assert!(!is_path(path), "{path}");
        }
    }
}

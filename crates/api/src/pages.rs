//! The web pages that the program contains, and how their files are served.
//!
//! The policy in the headers lets a page load only its own files and send requests only to its own origin. It forbids inline
//! scripts and inline styles, so text that comes from messages, labels or URLs cannot become code.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LOCATION,
    REFERRER_POLICY,
};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::state::AppState;
use crate::{console, etag, reference};

const INDEX: &str = "index.html";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page with its files. They need no key.
pub(crate) struct Page {
    /// Such as `/console`. The files are below it.
    pub(crate) path: &'static str,
    pub(crate) assets: Vec<Asset>,
}

/// A file of a page.
pub(crate) struct Asset {
    pub(crate) name: &'static str,
    pub(crate) content: Bytes,
    is_gzipped: bool,
    etag: String,
}

impl Asset {
    /// Computes the entity tag, so this happens once for each file.
    pub(crate) fn new(name: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self {
            name,
            is_gzipped: false,
            etag: format!("\"{}\"", hex::encode(&Sha256::digest(&content)[..16])),
            content,
        }
    }

    /// The same for a compressed file. Every browser accepts gzip, so there is no other form of it.
    pub(crate) fn gzipped(name: &'static str, content: impl Into<Bytes>) -> Self {
        Self {
            is_gzipped: true,
            ..Self::new(name, content)
        }
    }
}

/// Files of a folder of this crate.
macro_rules! assets {
    ($folder:literal: $($name:literal),* $(,)?) => {
        vec![$($crate::pages::Asset::new(
            $name,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $name)).as_slice(),
        )),*]
    };
}
pub(crate) use assets;

/// Whether the path is that of a page, or of one of its files.
pub(crate) fn is_path(path: &str) -> bool {
    [console::PATH, reference::PATH].iter().any(|page| {
        let rest = path.strip_prefix(page);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

impl Page {
    /// The routes of the page and of its files.
    pub(crate) fn routes(&'static self) -> Router<Arc<AppState>> {
        let index = move |headers: HeaderMap| std::future::ready(self.respond(INDEX, &headers));
        let file =
            move |uri: Uri, headers: HeaderMap| std::future::ready(self.file(&uri, &headers));
        Router::new()
            .route(self.path, get(index))
            .route(
                &format!("{}/", self.path),
                get(move || std::future::ready(self.without_slash())),
            )
            .route(&format!("{}/{{file}}", self.path), get(file))
    }

    /// The addresses in the page are relative to its path. This one is relative, too, because a proxy may add a path.
    fn without_slash(&self) -> Response {
        let location = [(LOCATION, format!("..{}", self.path))];
        (StatusCode::PERMANENT_REDIRECT, location).into_response()
    }

    fn file(&self, uri: &Uri, headers: &HeaderMap) -> Result<Response, ApiError> {
        // Without decoding: no name needs it, and a path that is not UTF-8 is an unknown one, too.
        let name = uri.path().strip_prefix(self.path).unwrap_or_default();
        let name = name.trim_start_matches('/');
        // The addresses in the page would not be right there.
        if name == INDEX {
            return Err(ApiError::RouteNotFound);
        }
        self.respond(name, headers)
    }

    fn respond(&self, name: &str, request: &HeaderMap) -> Result<Response, ApiError> {
        let asset = self.assets.iter().find(|asset| asset.name == name);
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
        let encoding = asset.is_gzipped.then_some([(CONTENT_ENCODING, "gzip")]);
        Ok((headers, content_type, encoding, asset.content.clone()).into_response())
    }
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
    use super::*;

    #[test]
    fn only_a_page_and_what_is_below_it_are_its_paths() {
        for path in [
            "/console",
            "/console/",
            "/console/api.js",
            "/docs",
            "/docs/main.js",
        ] {
            assert!(is_path(path), "{path}");
        }
        for path in ["/", "/consoles", "/docsx", "/v1/console", "/v1/exports"] {
            assert!(!is_path(path), "{path}");
        }
    }
}

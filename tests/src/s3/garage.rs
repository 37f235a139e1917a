//! Garage on a Unix socket, behind the test's faults.
//!
//! Requests reach it unchanged, with the `Host` that their signatures cover. Listings go to the socket, past the faults.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use exports_sandbox::garage::{self, Listener};

use super::front;
use super::listing::{self, Unfinished};

#[derive(Debug)]
pub(super) struct Garage {
    _server: garage::Garage,
    socket: PathBuf,
}

/// Whether this machine has Garage. Panics without it if `CI=true`.
pub(super) fn is_installed() -> bool {
    static MISSING: LazyLock<Option<String>> = LazyLock::new(|| {
        let error = garage::program().err()?;
        let missing = format!("NOT TESTED against Garage: {error:#}\n");
        // Not `eprintln!`: the test runner captures it.
        let _ = io::stderr().write_all(missing.as_bytes());
        Some(missing)
    });
    let required = env::var_os("CI").is_some_and(|ci| ci == "true");
    match MISSING.as_deref() {
        Some(missing) if required => panic!("{missing}"),
        missing => missing.is_none(),
    }
}

impl Garage {
    /// Starts one with an empty bucket; returns when it accepts connections.
    pub(super) fn start() -> Self {
        let server = garage::Garage::on_socket().unwrap_or_else(|error| panic!("{error:#}"));
        let Listener::Socket(socket) = server.listener().clone() else {
            unreachable!("it listens on a socket")
        };
        Self {
            _server: server,
            socket,
        }
    }

    pub(super) fn router(&self) -> Router {
        let client = reqwest::Client::builder()
            .unix_socket(self.socket.clone())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Router::new().fallback(forward).with_state(client)
    }

    /// The keys, and the key and id of each unfinished upload.
    pub(super) fn objects(&self) -> Vec<String> {
        let mut found = listing::keys(&self.socket);
        let uploads = self.uploads().into_iter();
        found.extend(uploads.map(|upload| format!("{}?uploadId={}", upload.key, upload.id)));
        found
    }

    pub(super) fn uploads(&self) -> Vec<Unfinished> {
        listing::uploads(&self.socket)
    }
}

async fn forward(State(garage): State<reqwest::Client>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |it| it.as_str());
    let has_body = head.headers.contains_key(header::CONTENT_LENGTH);
    let mut request = garage
        .request(head.method, format!("http://garage{target}"))
        .headers(end_to_end(head.headers));
    if has_body {
        request = request.body(reqwest::Body::wrap_stream(body.into_data_stream()));
    }
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("no answer from Garage: {error:?}");
            return front::error(502, "BadGateway");
        }
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = end_to_end(answer.headers().clone());
    *response.body_mut() = Body::from_stream(answer.bytes_stream());
    response
}

/// Without the headers that are about one connection only.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(header::CONNECTION);
    headers.remove(header::TRANSFER_ENCODING);
    headers
}

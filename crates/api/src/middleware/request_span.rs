//! The request span: sets the request id, opens the tracing span, logs one line per request, and writes the bodies of errors and
//! the headers of every response.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing::field::Empty;

use crate::caching;
use crate::error::ApiError;
use crate::error_body::{ErrorBodies, ErrorFormat};
use crate::metrics::method_label;
use crate::request_id::RequestId;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The layer.
pub(crate) async fn request_span(
    State(bodies): State<ErrorBodies>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::generate();
    request.extensions_mut().insert(id);
    // The error level keeps the span enabled at every log level.
    let span = tracing::error_span!(
        "request",
        request_id = %id,
        project.id = Empty,
        export.id = Empty
    );
    respond(id, bodies, request, next).instrument(span).await
}

async fn respond(id: RequestId, bodies: ErrorBodies, request: Request, next: Next) -> Response {
    let mut log_line = LogLine::begin(&request);
    let format = ErrorFormat::wanted_by(request.headers());
    let cache_control = caching::default_of(request.uri().path());
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        error.log();
        log_line.error = error.cause_for_request_line();
        response = bodies.write(response, id, &error, format);
    }
    let header = HeaderValue::try_from(id.to_string());
    let header = header.expect("letters, digits and an underscore are a valid header value");
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, header);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static(cache_control));
    log_line.status = Some(response.status());
    response
}

/// The log line of one request. `drop` writes it, which also happens when the client disconnects.
struct LogLine {
    started: Instant,
    method: &'static str,
    /// The template, not the URL, which may contain the signature of a link.
    route: Option<MatchedPath>,
    status: Option<StatusCode>,
    /// Why the service was unavailable for this request.
    error: Option<String>,
}

impl LogLine {
    fn begin(request: &Request) -> Self {
        Self {
            started: Instant::now(),
            method: method_label(request.method()),
            route: request.extensions().get().cloned(),
            status: None,
            error: None,
        }
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let Self {
            method,
            status,
            error,
            ..
        } = self;
        let method = *method;
        let route = self.route.as_ref().map_or("none", MatchedPath::as_str);
        let duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match status.map(|status| status.as_u16()) {
            // The audit trail reports it, and sums up a flood.
            Some(status @ 401) => {
                tracing::debug!(method, route, status, duration_ms, "request completed");
            }
            Some(status) => {
                tracing::info!(
                    method,
                    route,
                    status,
                    duration_ms,
                    error,
                    "request completed"
                );
            }
            None => {
                tracing::info!(
                    method,
                    route,
                    duration_ms,
                    "client disconnected before the response"
                );
            }
        }
    }
}

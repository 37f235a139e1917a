//! The request span: sets the request id, opens the tracing span, logs one line per request, and writes the bodies of errors and
//! the headers of every response.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use exports_domain::TraceParent;
use exports_service::traces::{Kind, Span, Tracer};
use futures_util::FutureExt;
use tracing::Instrument;
use tracing::field::Empty;

use crate::caching;
use crate::error::ApiError;
use crate::error_body::{ErrorBodies, ErrorFormat};
use crate::metrics::method_label;
use crate::request_id::RequestId;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Only if the request has a trace.
const X_TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// Requests that come every few seconds and whose traces nobody looks for.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// What the layer needs.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    pub(crate) bodies: ErrorBodies,
    pub(crate) tracer: Tracer,
}

/// The position in the trace of a request. An extension of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TracePosition(pub(crate) Option<TraceParent>);

/// The layer.
pub(crate) fn request_span(
    State(requests): State<Requests>,
    mut request: Request,
    next: Next,
) -> impl Future<Output = Response> {
    let id = RequestId::generate();
    let trace = trace_of(&requests.tracer, &request);
    let extensions = request.extensions_mut();
    extensions.insert(id);
    extensions.insert(TracePosition(trace.position()));
    // The error level keeps the span enabled at every log level.
    let span = tracing::error_span!(
        "request",
        request_id = %id,
        trace_id = Empty,
        project.id = Empty,
        export.id = Empty
    );
    if let Some(trace_id) = trace.trace_id() {
        span.record("trace_id", trace_id);
    }
    let exchange = span.in_scope(|| Exchange::begin(id, requests.bodies, trace, &request));
    next.run(request)
        .map(|response| exchange.complete(response))
        .instrument(span)
}

/// The span of the request in the trace of its client, or in a trace of its own.
fn trace_of(tracer: &Tracer, request: &Request) -> Span {
    let parent = trace_parent(request.headers());
    if PROBES.contains(&request.uri().path()) {
        return Tracer::default().span("probe", Kind::Server, parent);
    }
    let mut trace = tracer.span("request", Kind::Server, parent);
    let method = method_label(request.method());
    trace.set("http.request.method", method);
    match request.extensions().get::<MatchedPath>() {
        None => trace.rename(|| method.to_owned()),
        Some(route) => {
            trace.rename(|| format!("{method} {}", route.as_str()));
            trace.set_text("http.route", || route.as_str().to_owned());
        }
    }
    trace
}

/// A malformed or repeated header is ignored, as W3C Trace Context says.
fn trace_parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all("traceparent").iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    TraceParent::parse(value.to_str().ok()?)
}

/// What the response needs of its request.
struct Exchange {
    id: RequestId,
    bodies: ErrorBodies,
    format: ErrorFormat,
    cache_control: &'static str,
    trace: Span,
    log_line: LogLine,
}

impl Exchange {
    fn begin(id: RequestId, bodies: ErrorBodies, mut trace: Span, request: &Request) -> Self {
        trace.set_text("exports.request_id", || id.to_string());
        Self {
            id,
            bodies,
            format: ErrorFormat::wanted_by(request.headers()),
            cache_control: caching::default_of(request.uri().path()),
            trace,
            log_line: LogLine::begin(request),
        }
    }

    fn complete(mut self, mut response: Response) -> Response {
        if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
            error.log();
            self.log_line.error = error.cause_for_request_line();
            response = self.bodies.write(response, self.id, &error, self.format);
        }
        let status = response.status();
        let code = i64::from(status.as_u16());
        self.trace.set("http.response.status_code", code);
        if status.is_server_error() {
            self.trace.fail(|| status.to_string());
        }
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, value(self.id.to_string()));
        if let Some(trace_id) = self.trace.trace_id() {
            headers.insert(X_TRACE_ID, value(trace_id));
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static(self.cache_control));
        self.log_line.status = Some(status);
        response
    }
}

/// The value of an id.
fn value(id: String) -> HeaderValue {
    HeaderValue::try_from(id).expect("letters, digits and an underscore are a valid header value")
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

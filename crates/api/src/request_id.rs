//! The outermost layer: gives each request its id, opens the span that every log line of it is
//! in, writes one line when it is answered, and puts errors into their envelope.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

use crate::envelope::ErrorEnvelope;
use crate::error::ApiError;

/// Made by the server for each request, never taken from the client: it is unique and safe to
/// log. Handlers find it in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId(Uuid);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", self.0.simple())
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl RequestId {
    fn generate() -> Self {
        Self(Uuid::new_v4())
    }

    fn header(self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("hex digits are a header's value")
    }
}

/// The layer.
pub(crate) async fn identify(mut request: Request, next: Next) -> Response {
    let id = RequestId::generate();
    request.extensions_mut().insert(id);
    // At this level, so that the span is there whichever levels are switched on.
    let span = tracing::error_span!(
        "request",
        request_id = %id,
        project.id = Empty,
        export.id = Empty
    );
    answer(id, request, next).instrument(span).await
}

async fn answer(id: RequestId, request: Request, next: Next) -> Response {
    let mut line = LogLine::begin(&request);
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        error.log();
        response = with_error(response, id, &error);
    }
    response.headers_mut().insert(X_REQUEST_ID, id.header());
    line.status = Some(response.status().as_u16());
    response
}

/// The line that each request leaves in the log, written when this is dropped: that is also what
/// happens to a request whose client hangs up.
struct LogLine {
    began: Instant,
    method: Method,
    /// Never the URL itself: it may hold a link's signature, or anything a stranger likes.
    route: Option<MatchedPath>,
    status: Option<u16>,
}

impl LogLine {
    fn begin(request: &Request) -> Self {
        Self {
            began: Instant::now(),
            method: request.method().clone(),
            route: request.extensions().get().cloned(),
            status: None,
        }
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let Self { method, status, .. } = self;
        let route = self.route.as_ref().map_or("none", MatchedPath::as_str);
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if status.is_some() {
            tracing::info!(%method, route, status, duration_ms, "request answered");
        } else {
            tracing::info!(%method, route, duration_ms, "request abandoned by its client");
        }
    }
}

fn with_error(response: Response, id: RequestId, error: &ApiError) -> Response {
    let (mut parts, _) = response.into_parts();
    let body: Body = Json(ErrorEnvelope::new(id, error))
        .into_response()
        .into_body();
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts
        .headers
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_its_prefix_and_32_digits() {
        let id = RequestId::generate().to_string();
        let digits = id.strip_prefix("req_").unwrap();
        assert_eq!(digits.len(), 32);
        assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(id, RequestId::generate().to_string());
    }
}

//! CORS: web pages of other origins may use the API from a browser, if `EXPORTS_CORS_ORIGINS` allows it.
//!
//! The headers are those of the layer of tower-http. It answers every `OPTIONS` request itself, so only the requests of allowed
//! origins pass through it. All other requests are answered as if there were no CORS.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, AUTHORIZATION, CONTENT_DISPOSITION,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, LINK, LOCATION, ORIGIN, RANGE,
    RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use exports_service::settings::CorsOrigins;
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::idempotency_key::IDEMPOTENCY_KEY;

/// How long a browser may use the answer to a preflight request.
const MAX_AGE: Duration = Duration::from_hours(1);

/// The request headers that the API reads.
const REQUEST_HEADERS: [HeaderName; 10] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    IF_RANGE,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("prefer"),
    RANGE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// The response headers that a script may read.
const RESPONSE_HEADERS: [HeaderName; 16] = [
    ACCEPT_RANGES,
    ALLOW,
    CONTENT_DISPOSITION,
    CONTENT_RANGE,
    ETAG,
    HeaderName::from_static("idempotency-replayed"),
    LINK,
    LOCATION,
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("repr-digest"),
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-trace-id"),
];

/// The allowed origins, and the headers for them.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: CorsOrigins,
    layer: CorsLayer,
}

impl Cors {
    pub(crate) fn new(origins: CorsOrigins) -> Self {
        let layer = CorsLayer::new()
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
            .allow_headers(REQUEST_HEADERS)
            .expose_headers(RESPONSE_HEADERS)
            .max_age(MAX_AGE);
        let layer = match &origins {
            CorsOrigins::Any => layer.allow_origin(Any),
            CorsOrigins::Listed(origins) => {
                let origins = origins.iter().map(HeaderValue::try_from);
                let origins =
                    origins.map(|it| it.expect("an origin is ASCII without control characters"));
                layer.allow_origin(AllowOrigin::list(origins))
            }
        };
        Self { origins, layer }
    }

    /// Whether the request comes from a page of an allowed origin, and is not an `OPTIONS` request of its own.
    fn concerns(&self, request: &Request) -> bool {
        let headers = request.headers();
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        let is_preflight = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        origin.is_some_and(|origin| self.origins.allow(origin))
            && (request.method() != Method::OPTIONS || is_preflight)
    }
}

/// The layer.
pub(crate) async fn cors(State(cors): State<Arc<Cors>>, request: Request, next: Next) -> Response {
    if cors.concerns(&request) {
        let answered = cors.layer.layer(next).oneshot(request).await;
        return answered.unwrap_or_else(|never| match never {});
    }
    let mut response = next.run(request).await;
    // A cache must not give this response to a page of an allowed origin.
    let vary = HeaderValue::from_static("origin");
    response.headers_mut().append(VARY, vary);
    response
}

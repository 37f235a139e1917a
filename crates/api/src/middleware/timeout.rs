//! The request timeout.

use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::error::ApiError;
use crate::prefer::Wait;

/// From the end of the request's head to the start of the response. It includes the request body, but not the response body.
const TIMEOUT: Duration = Duration::from_secs(30);

/// When the request times out. An extension of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// When to stop trying, so that there is time left for the response.
    pub(crate) fn for_response(self) -> Instant {
        self.0 - Duration::from_secs(1)
    }
}

/// The layer. A request may wait longer if it asks for that.
pub(crate) async fn limit_time(mut request: Request, next: Next) -> Response {
    let deadline = Deadline(Instant::now() + TIMEOUT);
    let wait = Wait::at_most(&request);
    if !wait.is_zero() {
        release_read_buffer(&mut request);
    }
    let limit = TIMEOUT + wait;
    request.extensions_mut().insert(deadline);
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut {
            seconds: limit.as_secs(),
        }
        .into_response(),
    }
}

/// Copies the URI and the headers, which are parts of the connection's read buffer. Thousands of requests that wait would
/// hold 8 KiB each for them.
fn release_read_buffer(request: &mut Request) {
    for value in request.headers_mut().values_mut() {
        if let Ok(mut copy) = HeaderValue::from_bytes(value.as_bytes()) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
    if let Ok(copy) = request.uri().to_string().parse() {
        *request.uri_mut() = copy;
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_request_is_the_same_without_the_read_buffer() {
        let request = || {
            let request = Request::get("/v1/exports/1?wait=30&x=%C3%A9").header("x-a", "b");
            let request = request.header("x-a", HeaderValue::from_bytes(b"\xe9").unwrap());
            request.body(Body::empty()).unwrap()
        };
        let mut released = request();
        release_read_buffer(&mut released);
        assert_eq!(released.uri(), request().uri());
        assert_eq!(released.headers(), request().headers());
    }
}

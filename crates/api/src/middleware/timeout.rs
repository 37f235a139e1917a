//! What no request may do: take for ever, or take the process down.

use std::any::Any;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::ApiError;

/// From the end of the request's head to the begin of the answer. A file's bytes are not counted.
const LIMIT: Duration = Duration::from_secs(30);

/// The layer that ends what takes too long; a slow body is part of it.
pub(crate) async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut {
            seconds: LIMIT.as_secs(),
        }
        .into_response(),
    }
}

/// The layer that makes an answer of a panic.
pub(crate) fn catch_panics() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(|_| ApiError::Panicked.into_response())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::request_id::identify;

    async fn panics() -> StatusCode {
        panic!("a defect");
    }

    #[tokio::test]
    async fn a_panic_is_answered_in_the_envelope() {
        let app = Router::new()
            .route("/", get(panics))
            .layer(catch_panics())
            .layer(from_fn(identify));
        let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = response.headers()["x-request-id"].clone();
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "INTERNAL_ERROR");
        assert_eq!(body["meta"]["request_id"], id.to_str().unwrap());
        assert!(!body.to_string().contains("defect"));
    }
}

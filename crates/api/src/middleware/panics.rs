//! Panic handling: a panic in a handler becomes a 500.

use std::any::Any;

use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::ApiError;

/// The layer.
pub(crate) fn catch_panics() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(|_| ApiError::Panicked.into_response())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use exports_service::traces::Tracer;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::error_body::ErrorBodies;
    use crate::middleware::request_span::{Requests, request_span};

    async fn panics() -> StatusCode {
        panic!("a defect");
    }

    #[tokio::test]
    async fn a_panic_returns_an_internal_error_in_the_envelope() {
        let app = Router::new()
            .route("/", get(panics))
            .layer(catch_panics())
            .layer(from_fn_with_state(
                Requests {
                    bodies: ErrorBodies::new("http://127.0.0.1"),
                    tracer: Tracer::default(),
                },
                request_span,
            ));
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

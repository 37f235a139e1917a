//! The request timeout.

use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// From the end of the request's head to the start of the response. It includes the request body, but not the response body.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The layer.
pub(crate) async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut {
            seconds: TIMEOUT.as_secs(),
        }
        .into_response(),
    }
}

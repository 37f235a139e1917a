//! The request timeout.

use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

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
pub(crate) fn limit_time(mut request: Request, next: Next) -> impl Future<Output = Response> {
    let deadline = Deadline(Instant::now() + TIMEOUT);
    let limit = TIMEOUT + Wait::at_most(&request);
    request.extensions_mut().insert(deadline);
    timeout(limit, next.run(request)).map(move |response| {
        response.unwrap_or_else(|_| {
            let seconds = limit.as_secs();
            ApiError::TimedOut { seconds }.into_response()
        })
    })
}

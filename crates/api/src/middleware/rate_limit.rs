//! The rate limit of each API key, right after authentication.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Request, State};

use crate::body;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::state::AppState;

/// The layer. It refuses requests above the limit of their key.
pub(crate) async fn limit_requests(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Request, ApiError> {
    let limit = state.limits.with(caller.limits).requests;
    match state.request_rates.check(caller.key, limit, Instant::now()) {
        Ok(()) => Ok(request),
        Err(exceeded) => {
            body::discard(request).await;
            Err(state.limited(exceeded))
        }
    }
}

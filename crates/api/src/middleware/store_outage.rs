//! Counts requests that the object store fails, so that an outage is logged once and not for each request.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use exports_domain::error_line;
use exports_service::outage::Outage;
use futures_util::FutureExt;

use crate::error::ApiError;

/// The layer.
pub(crate) fn record(
    State(outage): State<Outage>,
    request: Request,
    next: Next,
) -> impl Future<Output = Response> {
    let uses_store = uses_store(&request);
    next.run(request).inspect(move |response| {
        let error = response.extensions().get::<Arc<ApiError>>();
        match error.map(|error| &**error) {
            Some(ApiError::Store(error)) if error.is_transient() => {
                outage.failed(&error_line(error));
            }
            None if uses_store => outage.succeeded(),
            Some(_) | None => {}
        }
    })
}

/// Whether a success of the request is one of the store.
fn uses_store(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>();
    request.method() == Method::DELETE
        || route.is_some_and(|route| route.as_str().starts_with("/files/"))
}

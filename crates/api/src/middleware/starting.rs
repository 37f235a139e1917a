//! Refuses requests until the dependencies have been available once.
//!
//! Before that, the database may lack a migration, and a statement of this version would fail.

use axum::extract::{Request, State};
use exports_service::start::Started;

use crate::error::ApiError;
use crate::{body, pages};

/// What needs no dependency, besides the pages.
const ALWAYS: [&str; 2] = ["/healthz", "/openapi.json"];

/// The layer.
pub(crate) async fn refuse_until_started(
    State(started): State<Started>,
    request: Request,
) -> Result<Request, ApiError> {
    let path = request.uri().path();
    if started.is_set() || ALWAYS.contains(&path) || pages::is_path(path) {
        return Ok(request);
    }
    body::discard(request).await;
    Err(ApiError::Starting)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::http::header::RETRY_AFTER;
    use axum::middleware::map_request_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn requests_are_refused_until_the_start_is_complete() {
        let started = Started::default();
        let layer = map_request_with_state(started.clone(), refuse_until_started);
        let api = Router::new()
            .route("/healthz", get(|| async {}))
            .route("/readyz", get(|| async {}))
            .layer(layer);
        let get = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            api.clone().oneshot(request).await.unwrap()
        };
        assert_eq!(get("/healthz").await.status(), StatusCode::OK);
        for path in ["/readyz", "/v1/exports"] {
            let refused = get(path).await;
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert!(refused.headers().contains_key(RETRY_AFTER), "{path}");
        }
        started.set();
        assert_eq!(get("/readyz").await.status(), StatusCode::OK);
    }
}

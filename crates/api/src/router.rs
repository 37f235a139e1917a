//! The routes and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state, map_request_with_state};
use axum::routing::{any, get, post};

use crate::error::ApiError;
use crate::error_body::ErrorBodies;
use crate::middleware::request_span::Requests;
use crate::middleware::{
    audit, auth, cors, panics, rate_limit, request_span, starting, store_outage, timeout,
};
use crate::state::AppState;
use crate::{
    body, cancel_export, console, create_export, delete_export, download_export, download_file,
    estimate_export, export_events, get_export, health, list_exports, manifest, manifest_key,
    metrics, openapi, project_events, reference, retry_export, webhooks,
};

/// The router of the whole API. A layer wraps everything above it.
pub(crate) fn router(state: Arc<AppState>) -> Router {
    let mut public = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/openapi.json", get(openapi::openapi))
        .route(
            "/.well-known/exports-manifest-key",
            get(manifest_key::get_manifest_key),
        );
    if state.signer.is_some() {
        public = public.route("/files/{id}", get(download_file::download_file));
    }
    if state.console {
        public = public.merge(console::PAGE.routes());
    }
    if state.docs {
        public = public.merge(reference::PAGE.routes());
    }
    let api = public
        .merge(authenticated(&state))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(route_not_found)
        .layer(map_request_with_state(
            state.started.clone(),
            starting::refuse_until_started,
        ))
        .layer(panics::catch_panics())
        .layer(from_fn(timeout::limit_time))
        .layer(from_fn_with_state(
            state.store_outage.clone(),
            store_outage::record,
        ))
        .layer(from_fn_with_state(Arc::clone(&state), audit::audit));
    // Outside of everything that answers, so that each answer has the headers and a preflight request needs no key.
    let api = match &state.cors {
        Some(allowed) => api.layer(from_fn_with_state(Arc::clone(allowed), cors::cors)),
        None => api,
    };
    let requests = Requests {
        bodies: ErrorBodies::new(&state.public_url),
        tracer: state.tracer.clone(),
    };
    api.layer(from_fn_with_state(requests, request_span::request_span))
        .layer(from_fn_with_state(
            Arc::clone(&state.metrics),
            metrics::measure,
        ))
        .with_state(state)
}

/// All paths under `/v1`, including unknown ones: without a key, a client cannot find out which exist. (`nest` would not cover
/// `/v1/`.)
fn authenticated(state: &Arc<AppState>) -> Router<Arc<AppState>> {
    Router::new()
        .route(
            "/v1/exports",
            get(list_exports::list_exports).post(create_export::create_export),
        )
        .route("/v1/exports/events", get(project_events::project_events))
        .route("/v1/exports/{id}/events", get(export_events::export_events))
        .route(
            "/v1/exports/estimate",
            post(estimate_export::estimate_export),
        )
        .route(
            "/v1/exports/{id}",
            get(get_export::get_export).delete(delete_export::delete_export),
        )
        .route(
            "/v1/exports/{id}/cancel",
            post(cancel_export::cancel_export),
        )
        .route("/v1/exports/{id}/retry", post(retry_export::retry_export))
        .route("/v1/exports/{id}/manifest", get(manifest::get_manifest))
        .route(
            "/v1/exports/{id}/download",
            get(download_export::download_export),
        )
        .merge(webhook_routes())
        .method_not_allowed_fallback(method_not_allowed)
        .route("/v1", any(route_not_found))
        .route("/v1/", any(route_not_found))
        .route("/v1/{*rest}", any(route_not_found))
        .layer(map_request_with_state(
            Arc::clone(state),
            rate_limit::limit_requests,
        ))
        .layer(map_request_with_state(Arc::clone(state), auth::require_key))
}

fn webhook_routes() -> Router<Arc<AppState>> {
    Router::new()
        .route(
            "/v1/export-webhooks",
            get(webhooks::list::list_webhooks).post(webhooks::create::create_webhook),
        )
        .route(
            "/v1/export-webhooks/{id}",
            get(webhooks::get::get_webhook).delete(webhooks::delete::delete_webhook),
        )
        .route(
            "/v1/export-webhooks/{id}/rotate",
            post(webhooks::rotate::rotate_webhook),
        )
        .route(
            "/v1/export-webhooks/{id}/test",
            post(webhooks::test::test_webhook),
        )
        .route(
            "/v1/export-webhooks/{id}/enable",
            post(webhooks::enable::enable_webhook),
        )
        .route(
            "/v1/export-webhooks/{id}/deliveries",
            get(webhooks::deliveries::list_deliveries),
        )
}

async fn route_not_found(request: Request) -> ApiError {
    body::discard(request).await;
    ApiError::RouteNotFound
}

async fn method_not_allowed(request: Request) -> ApiError {
    body::discard(request).await;
    ApiError::MethodNotAllowed
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Method, StatusCode, header};
    use exports_database::{Database, Program};
    use exports_domain::{Limit, Limits, SystemClock};
    use exports_objects::{LinkSigner, Store, StoreConfig};
    use exports_postgres::PoolPurpose;
    use exports_service::metrics::Registry;
    use exports_service::outage::Outage;
    use exports_service::readiness::Readiness;
    use exports_service::rights::Rights;
    use exports_service::start::Started;
    use exports_source::Source;
    use tower::ServiceExt;

    use super::*;
    use crate::limits::{CreateQuotas, KeyLookups, PoolShares, RefusalDelay, RequestRates};

    /// An API without a reachable database, which these tests do not need.
    fn api(folder: &tempfile::TempDir) -> Router {
        let database = Database::new("postgres://127.0.0.1:1/none", PoolPurpose::Api).unwrap();
        let started = Started::default();
        started.set();
        let config = StoreConfig {
            url: format!("file://{}", folder.path().display()),
            public_endpoint: None,
        };
        let metrics = Arc::new(metrics::ApiMetrics::new(&Registry::new("test", "0")));
        router(Arc::new(AppState {
            source: Source::same_as(&database),
            api_keys: crate::api_key_cache::ApiKeyCache::default(),
            key_lookups: Arc::new(KeyLookups::new(Arc::clone(&metrics))),
            refusal_delay: RefusalDelay::default(),
            limits: Limits::OFF,
            request_rates: RequestRates::default(),
            create_quotas: CreateQuotas::default(),
            active_room: Arc::default(),
            pool_shares: Arc::new(PoolShares::new(database.pool_use().max)),
            readiness: Readiness::new(Rights::new(Program::Api, database.clone(), None)),
            audit: crate::audit::Audit::default(),
            batch_loader: exports_database::BatchLoader::new(database.clone()),
            changes: exports_database::Changes::new(database.clone()),
            live: crate::live::Hub::new(database.clone(), Limit::Off, metrics.waiters.clone()),
            database,
            store: Store::open_with(&config, []).unwrap(),
            signer: Some(LinkSigner::new(&[0; 32])),
            manifest_key: None,
            file_readers: Arc::default(),
            estimates: crate::estimate_export::Estimates::default(),
            public_url: "http://127.0.0.1".to_owned(),
            clock: Arc::new(SystemClock),
            tasks: tokio_util::task::TaskTracker::new(),
            metrics,
            openapi_document: openapi::document("http://127.0.0.1"),
            started,
            store_outage: Outage::of("the object store"),
            cors: None,
            console: true,
            docs: true,
            tracer: exports_service::traces::Tracer::default(),
            webhook_networks: exports_service::webhooks::WebhookNetworks::default(),
        }))
    }

    async fn answer(api: &Router, method: Method, path: &str) -> axum::response::Response {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        api.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn every_path_under_v1_requires_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let api = api(&folder);
        for path in [
            "/v1",
            "/v1/",
            "/v1//",
            "/v1/nothing",
            "/v1/exports",
            "/v1/exports/",
            "/v1/exports?unknown=1",
            "/v1/exports/no-uuid",
            "/v1/exports/%FF",
            "/v1/exports/no-uuid/download",
            "/v1/exports/no-uuid/download/",
            "/v1/exports/a/b/c",
        ] {
            for method in [Method::GET, Method::POST, Method::PUT, Method::OPTIONS] {
                let answer = answer(&api, method, path).await;
                assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
                assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer");
            }
        }
    }

    #[tokio::test]
    async fn every_error_outside_v1_has_the_envelope() {
        let folder = tempfile::tempdir().unwrap();
        let api = api(&folder);
        for (method, path, status, code) in [
            (Method::GET, "/", 404, "NOT_FOUND"),
            (Method::GET, "/v1x", 404, "NOT_FOUND"),
            (Method::POST, "/healthz", 405, "METHOD_NOT_ALLOWED"),
            (Method::GET, "/files/no-uuid", 404, "NOT_FOUND"),
            (Method::GET, "/console/unknown.js", 404, "NOT_FOUND"),
            (Method::GET, "/console/%FF", 404, "NOT_FOUND"),
            (Method::GET, "/console/index.html", 404, "NOT_FOUND"),
            (Method::POST, "/console", 405, "METHOD_NOT_ALLOWED"),
            (Method::GET, "/docs/index.html", 404, "NOT_FOUND"),
            (
                Method::GET,
                "/docs/swagger-initializer.js",
                404,
                "NOT_FOUND",
            ),
            (
                Method::GET,
                "/files/01935abc-def0-7123-4567-890abcdef012",
                403,
                "INVALID_SIGNATURE",
            ),
        ] {
            let answer = answer(&api, method, path).await;
            assert_eq!(answer.status(), status, "{path}");
            assert_eq!(answer.headers().contains_key(header::ALLOW), status == 405);
            let id = answer.headers()["x-request-id"].clone();
            let body = to_bytes(answer.into_body(), 1000).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"]["code"], code, "{path}");
            assert_eq!(body["meta"]["request_id"], id.to_str().unwrap());
        }
    }
}

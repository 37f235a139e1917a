//! The HTTP listener of a worker: `/healthz`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use exports_service::http_server::HttpServer;
use exports_service::readiness::{Readiness, Unready};
use exports_service::start::Started;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A bound listener.
pub(crate) struct Server(TcpListener);

impl Server {
    pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// Serves until `stop`. Afterwards probes fail, because the worker shuts down.
    pub(crate) async fn run(self, routes: Router, stop: CancellationToken) {
        if let Ok(address) = self.0.local_addr() {
            tracing::info!(address = format!("http://{address}"), "health listening");
        }
        HttpServer::internal().serve(self.0, routes, stop).await;
    }
}

/// The routes of the probes.
pub(crate) fn routes(readiness: Readiness, started: Started) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready))
        .with_state((Arc::new(readiness), started))
}

async fn ready(
    State((readiness, started)): State<(Arc<Readiness>, Started)>,
) -> (StatusCode, Json<Value>) {
    if !started.is_set() {
        return unready("the worker is starting and waits for its dependencies");
    }
    let reason = match readiness.check().await {
        Ok(()) => return (StatusCode::OK, Json(json!({"status": "ready"}))),
        // These texts help operators and contain no secrets.
        Err(reason @ (Unready::Schema(_) | Unready::Rights(_))) => reason.to_string(),
        Err(Unready::Failed(error)) if error.is_read_only() => error.to_string(),
        Err(Unready::Failed(_) | Unready::TimedOut) => "the database is not available".to_owned(),
    };
    unready(&reason)
}

fn unready(reason: &str) -> (StatusCode, Json<Value>) {
    let body = json!({"status": "unavailable", "reason": reason});
    (StatusCode::SERVICE_UNAVAILABLE, Json(body))
}

//! The HTTP listener of a worker: `/healthz`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use exports_database::{Database, MigrationState};
use exports_service::http_server::HttpServer;
use exports_service::start::Started;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Timeout of the readiness check. Probes usually have a timeout of a few seconds.
const TIMEOUT: Duration = Duration::from_secs(2);

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
pub(crate) fn routes(database: Database, started: Started) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready))
        .with_state((database, started))
}

async fn ready(
    State((database, started)): State<(Database, Started)>,
) -> (StatusCode, Json<Value>) {
    if !started.is_set() {
        return unready("the worker is starting and waits for its dependencies");
    }
    let reason = match tokio::time::timeout(TIMEOUT, database.migration_state()).await {
        Ok(Ok(MigrationState::Current)) => {
            return (StatusCode::OK, Json(json!({"status": "ready"})));
        }
        Ok(Ok(state)) => state.to_string(),
        // The text helps operators and contains no secrets.
        Ok(Err(error)) if error.is_read_only() => error.to_string(),
        Ok(Err(_)) | Err(_) => "the database is not available".to_owned(),
    };
    unready(&reason)
}

fn unready(reason: &str) -> (StatusCode, Json<Value>) {
    let body = json!({"status": "unavailable", "reason": reason});
    (StatusCode::SERVICE_UNAVAILABLE, Json(body))
}

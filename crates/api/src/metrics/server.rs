//! The listener for `/metrics`. It is separate, because metrics are for operators and the API is for consumers.

use std::time::Duration;

use axum::Router;
use exports_database::Database;
use exports_service::http_server::HttpServer;
use exports_service::metrics::{DatabaseMetrics, Registry, Sample};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Shorter than the usual timeout of a scrape.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// The bound listener and its routes.
pub(crate) struct MetricsServer {
    listener: TcpListener,
    routes: Router,
}

/// Pings the database at each scrape.
struct Sampler {
    database: Database,
    metrics: DatabaseMetrics,
}

impl MetricsServer {
    pub(crate) fn new(listener: TcpListener, registry: Registry, database: Database) -> Self {
        let sampler = Sampler {
            database,
            metrics: DatabaseMetrics::new(&registry),
        };
        Self {
            listener,
            routes: exports_service::metrics::routes(registry, sampler),
        }
    }

    /// Serves until the handle is dropped.
    pub(crate) fn spawn(self) -> AbortOnDropHandle<()> {
        if let Ok(address) = self.listener.local_addr() {
            tracing::info!(address = format!("http://{address}"), "metrics listening");
        }
        let never = CancellationToken::new();
        let serving = HttpServer::internal().serve(self.listener, self.routes, never);
        AbortOnDropHandle::new(tokio::spawn(serving))
    }
}

impl Sample for Sampler {
    async fn sample(&self) {
        let ping = tokio::time::timeout(PING_TIMEOUT, self.database.ping()).await;
        let up = matches!(ping, Ok(Ok(())));
        self.metrics.set(up, self.database.pool_use());
    }
}

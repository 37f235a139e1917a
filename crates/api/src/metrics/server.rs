//! `/metrics` of the API, on a listener of its own: what it tells is for operators, and the API's
//! listener is for everybody.

use std::time::Duration;

use axum::Router;
use exports_database::Database;
use exports_service::metrics::{DatabaseMetrics, Registry, Sample};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// Longer than this, and whoever scrapes has given up.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The listener, bound, and what it is going to tell.
pub(crate) struct MetricsServer {
    listener: TcpListener,
    routes: Router,
}

/// Asks the database at each scrape whether it is there.
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

    /// Answers until the handle is dropped.
    pub(crate) fn spawn(self) -> AbortOnDropHandle<()> {
        if let Ok(address) = self.listener.local_addr() {
            tracing::info!(address = format!("http://{address}"), "metrics listening");
        }
        AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = axum::serve(self.listener, self.routes).await {
                tracing::error!(%error, "the metrics listener broke");
            }
        }))
    }
}

impl Sample for Sampler {
    async fn sample(&self) {
        let answer = tokio::time::timeout(TIMEOUT, self.database.ping()).await;
        let up = matches!(answer, Ok(Ok(())));
        self.metrics.set(up, self.database.pool_use());
    }
}

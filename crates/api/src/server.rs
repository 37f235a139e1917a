//! The server: start, graceful shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use exports_database::BatchLoader;
use exports_domain::SystemClock;
use exports_service::metrics::Registry;
use exports_service::start::{Signals, StartError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api_key_cache::ApiKeyCache;
use crate::health::Readiness;
use crate::limits::{KeyLookups, PoolShares, RequestRates};
use crate::metrics::{ApiMetrics, MetricsServer};
use crate::openapi;
use crate::router::router;
use crate::start::{Opened, Settings};
use crate::state::AppState;

/// The time for open requests after the shutdown signal.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// An API that is ready to serve.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<AppState>,
    metrics: Option<MetricsServer>,
}

impl Server {
    /// Opens the dependencies and the listeners.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let opened = Opened::open(settings).await?;
        let registry = Registry::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let metrics = Arc::new(ApiMetrics::new(&registry));
        let metrics_server = opened.metrics_listener.map(|listener| {
            MetricsServer::new(listener, registry, opened.dependencies.database.clone())
        });
        let pool_size = opened.dependencies.database.pool_use().max;
        let state = AppState {
            batch_loader: BatchLoader::new(opened.dependencies.database.clone()),
            database: opened.dependencies.database,
            source: opened.dependencies.source,
            api_keys: ApiKeyCache::default(),
            key_lookups: Arc::new(KeyLookups::new(Arc::clone(&metrics))),
            limits: opened.limits,
            request_rates: RequestRates::default(),
            pool_shares: Arc::new(PoolShares::new(pool_size)),
            readiness: Readiness::default(),
            store: opened.dependencies.store,
            signer: opened.signer,
            openapi_document: openapi::document(&opened.public_url),
            public_url: opened.public_url,
            clock: Arc::new(SystemClock),
            tasks: TaskTracker::new(),
            metrics,
        };
        Ok(Self {
            listener: opened.listener,
            address: opened.address,
            state: Arc::new(state),
            metrics: metrics_server,
        })
    }

    /// Serves until SIGTERM or SIGINT, then completes open requests.
    pub async fn run(self) {
        let mut signals =
            Signals::install().expect("every Unix supports handlers for both signals");
        let address = format!("http://{}", self.address);
        tracing::info!(address, "listening");
        // The metrics stay available during the shutdown.
        let _metrics = self.metrics.map(MetricsServer::spawn);
        let shutdown = CancellationToken::new();
        let listener = self.listener.tap_io(|connection| {
            // Nagle's algorithm would delay a small response until the previous one is acknowledged.
            connection.set_nodelay(true).ok();
        });
        let serving = axum::serve(listener, router(Arc::clone(&self.state)))
            .with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let serving = tokio::spawn(serving.into_future());
        signals.next().await;
        tracing::info!("stopping: completing open requests");
        shutdown.cancel();
        let finished = async {
            serving.await.ok();
            self.state.tasks.close();
            self.state.tasks.wait().await;
            self.state.database.close().await;
        };
        let finished = tokio::time::timeout(SHUTDOWN_GRACE, finished).await;
        tracing::info!(all_finished = finished.is_ok(), "stopped");
    }
}

//! The server: start, graceful shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use exports_database::BatchLoader;
use exports_domain::SystemClock;
use exports_service::metrics::Registry;
use exports_service::outage::Outage;
use exports_service::start::{Signals, StartError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api_key_cache::ApiKeyCache;
use crate::metrics::{ApiMetrics, MetricsServer};
use crate::openapi;
use crate::router::router;
use crate::start::{Opened, Settings, Startup};
use crate::state::AppState;

/// The time for open requests after the shutdown signal.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// An API whose listeners are open.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<AppState>,
    metrics: Option<MetricsServer>,
    startup: Startup,
}

impl Server {
    /// Opens the listeners, and the dependencies without connecting to them.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let opened = Opened::open(settings).await?;
        let registry = Registry::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let metrics = Arc::new(ApiMetrics::new(&registry));
        let metrics_server = opened.metrics_listener.map(|listener| {
            MetricsServer::new(listener, registry, opened.dependencies.database.clone())
        });
        let state = AppState {
            batch_loader: BatchLoader::new(opened.dependencies.database.clone()),
            database: opened.dependencies.database,
            source: opened.dependencies.source,
            api_keys: ApiKeyCache::default(),
            store: opened.dependencies.store,
            signer: opened.signer,
            openapi_document: openapi::document(&opened.public_url),
            public_url: opened.public_url,
            clock: Arc::new(SystemClock),
            tasks: TaskTracker::new(),
            metrics,
            started: opened.startup.started(),
            store_outage: Outage::of("the object store"),
        };
        Ok(Self {
            listener: opened.listener,
            address: opened.address,
            state: Arc::new(state),
            metrics: metrics_server,
            startup: opened.startup,
        })
    }

    /// Serves until SIGTERM or SIGINT, then completes open requests. Requests are refused until the
    /// dependencies are available. If they do not become available in time, that is the error.
    pub async fn run(self) -> Result<(), StartError> {
        let mut signals =
            Signals::install().expect("every Unix supports handlers for both signals");
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
        let address = format!("http://{}", self.address);
        let ended = tokio::select! {
            biased;
            () = signals.next() => Ok(()),
            Err(error) = self.startup.complete(|| tracing::info!(address, "listening")) => Err(error),
        };
        ended?;
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
        Ok(())
    }
}

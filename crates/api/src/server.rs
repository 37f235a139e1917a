//! The running API: from the first request to the last.

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

use crate::api_key_cache::KeyCache;
use crate::metrics::{ApiMetrics, MetricsServer};
use crate::openapi;
use crate::router::router;
use crate::start::{Opened, Settings};
use crate::state::AppState;

/// How long requests may go on after the signal to stop.
const GRACE: Duration = Duration::from_secs(30);

/// An API that can serve.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<AppState>,
    metrics: Option<MetricsServer>,
}

impl Server {
    /// Opens everything and begins to listen.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let opened = Opened::open(settings).await?;
        let registry = Registry::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let metrics = Arc::new(ApiMetrics::new(&registry));
        let metrics_server = opened.metrics_listener.map(|listener| {
            MetricsServer::new(listener, registry, opened.dependencies.database.clone())
        });
        let state = AppState {
            lookups: BatchLoader::new(opened.dependencies.database.clone()),
            database: opened.dependencies.database,
            source: opened.dependencies.source,
            keys: KeyCache::default(),
            store: opened.dependencies.store,
            signer: opened.signer,
            document: openapi::document(&opened.public_url),
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

    /// Serves until SIGTERM or SIGINT, then lets what was begun come to its end.
    pub async fn run(self) {
        let mut signals = Signals::install().expect("both signals can be handled on every Unix");
        let address = format!("http://{}", self.address);
        tracing::info!(address, "listening");
        // Until the very end: what happens while the last requests are answered can be seen.
        let _metrics = self.metrics.map(MetricsServer::spawn);
        let stopping = CancellationToken::new();
        let listener = self.listener.tap_io(|connection| {
            // Without it a small answer can wait for the acknowledgement of the one before.
            connection.set_nodelay(true).ok();
        });
        let serving = axum::serve(listener, router(Arc::clone(&self.state)))
            .with_graceful_shutdown(stopping.clone().cancelled_owned());
        let serving = tokio::spawn(serving.into_future());
        signals.next().await;
        tracing::info!("stopping: requests that were begun come to their end");
        stopping.cancel();
        let finished = async {
            serving.await.ok();
            self.state.tasks.close();
            self.state.tasks.wait().await;
            self.state.database.close().await;
        };
        let finished = tokio::time::timeout(GRACE, finished).await;
        tracing::info!(all_finished = finished.is_ok(), "stopped");
    }
}

//! The running API: from the first request to the last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use exports_domain::SystemClock;
use exports_metrics::Registry;
use exports_storage::Lookups;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::key_cache::KeyCache;
use crate::metrics::{ApiMetrics, MetricsServer};
use crate::openapi;
use crate::router::router;
use crate::start::{Opened, Settings, StartError};
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
        let metrics_server = opened
            .metrics_listener
            .map(|listener| MetricsServer::new(listener, registry, opened.database.clone()));
        let state = AppState {
            lookups: Lookups::new(opened.database.clone()),
            database: opened.database,
            source: opened.source,
            keys: KeyCache::default(),
            store: opened.store,
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
        let mut signals = Signals::install();
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
        signals.wait().await;
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

/// The two signals that end the process. From [`Signals::install`] on they no longer kill it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> Self {
        let install = |kind| signal(kind).expect("both signals can be handled on every Unix");
        Self {
            terminate: install(SignalKind::terminate()),
            interrupt: install(SignalKind::interrupt()),
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

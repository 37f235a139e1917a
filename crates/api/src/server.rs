//! The server: start, graceful shutdown.

use std::sync::Arc;
use std::time::Duration;

use exports_database::{BatchLoader, Changes};
use exports_domain::SystemClock;
use exports_service::descriptors::Descriptors;
use exports_service::http_server::{ConnectionMetrics, HttpServer};
use exports_service::metrics::Registry;
use exports_service::outage::Outage;
use exports_service::readiness::Readiness;
use exports_service::start::{Signals, StartError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::api_key_cache::ApiKeyCache;
use crate::audit::Audit;
use crate::limits::{CreateQuotas, KeyLookups, PoolShares, RefusalDelay, RequestRates};
use crate::live::Hub;
use crate::metrics::{ApiMetrics, MetricsServer};
use crate::middleware::cors::Cors;
use crate::openapi;
use crate::router::router;
use crate::start::{Opened, Settings, Startup, url_of};
use crate::state::AppState;

/// The time for open requests after the shutdown signal.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// An API whose listeners are open.
pub struct Server {
    listener: TcpListener,
    address: String,
    http: HttpServer,
    state: Arc<AppState>,
    metrics: Option<MetricsServer>,
    startup: Startup,
}

impl Server {
    /// Opens the listeners, and the dependencies without connecting to them.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let descriptors = Descriptors::raise();
        let opened = Opened::open(settings).await?;
        let registry = Registry::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let metrics = Arc::new(ApiMetrics::new(&registry));
        let connections = ConnectionMetrics::new(&registry);
        let metrics_server = opened.metrics_listener.map(|listener| {
            MetricsServer::new(listener, registry, opened.dependencies.database.clone())
        });
        let pool_size = opened.dependencies.database.pool_use().max;
        let live = Hub::new(
            opened.dependencies.database.clone(),
            opened.max_streams,
            metrics.waiters.clone(),
        );
        let state = AppState {
            batch_loader: BatchLoader::new(opened.dependencies.database.clone()),
            changes: Changes::new(opened.dependencies.database.clone()),
            live,
            database: opened.dependencies.database,
            source: opened.dependencies.source,
            api_keys: ApiKeyCache::default(),
            key_lookups: Arc::new(KeyLookups::new(Arc::clone(&metrics))),
            refusal_delay: RefusalDelay::default(),
            limits: opened.limits,
            request_rates: RequestRates::default(),
            create_quotas: CreateQuotas::default(),
            active_room: Arc::default(),
            pool_shares: Arc::new(PoolShares::new(pool_size)),
            readiness: Readiness::new(opened.dependencies.rights),
            audit: Audit::new(opened.trusted_proxies),
            store: opened.dependencies.store,
            signer: opened.signer,
            manifest_key: opened.manifest_key,
            file_readers: Arc::default(),
            estimates: crate::estimate_export::Estimates::default(),
            openapi_document: openapi::document(&opened.public_url),
            public_url: opened.public_url,
            clock: Arc::new(SystemClock),
            tasks: TaskTracker::new(),
            metrics,
            started: opened.startup.started(),
            store_outage: Outage::of("the object store"),
            webhook_networks: opened.webhook_networks,
            cors: opened.cors_origins.map(Cors::new).map(Arc::new),
            console: opened.console,
            docs: opened.docs,
            tracer: opened.tracer,
        };
        let max_connections = max_connections(opened.max_connections, descriptors);
        let address = url_of(opened.address, opened.tls.as_ref());
        Ok(Self {
            listener: opened.listener,
            address,
            http: HttpServer::new(max_connections, connections).with_tls(opened.tls),
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
        let routes = router(Arc::clone(&self.state));
        let serving = self.http.serve(self.listener, routes, shutdown.clone());
        let serving = tokio::spawn(serving);
        let clock = Arc::clone(&self.state.clock);
        let live = Arc::clone(&self.state.live).run(move || clock.now());
        let _live = AbortOnDropHandle::new(tokio::spawn(live));
        let address = self.address;
        let ended = tokio::select! {
            biased;
            () = signals.next() => Ok(()),
            Err(error) = self.startup.complete(|| tracing::info!(address, "listening")) => Err(error),
        };
        ended?;
        tracing::info!("stopping: completing open requests");
        shutdown.cancel();
        self.state.live.stop();
        let finished = async {
            serving.await.ok();
            self.state.tasks.close();
            self.state.tasks.wait().await;
            self.state.changes.flush().await;
            self.state.database.close().await;
        };
        let finished = tokio::time::timeout(SHUTDOWN_GRACE, finished).await;
        self.state.audit.flush();
        self.state.tracer.shutdown().await;
        tracing::info!(all_finished = finished.is_ok(), "stopped");
        Ok(())
    }
}

/// The number of connections that the limit of open files allows.
fn max_connections(wanted: usize, descriptors: Descriptors) -> usize {
    let max_connections = descriptors.connections(wanted);
    if max_connections < wanted {
        tracing::warn!(
            max_connections,
            open_files = descriptors.limit,
            "the limit of open files (ulimit -n) is too low for EXPORTS_MAX_CONNECTIONS={wanted}: fewer connections \
             are accepted"
        );
    }
    max_connections
}

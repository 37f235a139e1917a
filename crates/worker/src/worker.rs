//! Runs a worker process: start, work, graceful shutdown.

use exports_service::descriptors::Descriptors;
use exports_service::metrics::Registry;
use exports_service::start::{Signals, StartError, in_variable};
use tokio_util::sync::CancellationToken;

use crate::background::{janitor, notify, queue_hints};
use crate::claim_loop::ClaimLoop;
use crate::context::Context;
use crate::health;
use crate::metrics::Sampler;
use crate::start::{self, Settings};

/// A worker whose dependencies are open.
pub struct Worker {
    context: Context,
    registry: Registry,
    health: Option<health::Server>,
    signals: Signals,
}

impl Worker {
    /// Opens the dependencies, installs the signal handlers and sets up logging.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        // A worker has a fixed number of connections and files, so the limit itself does not matter.
        let _ = Descriptors::raise();
        let signals = Signals::install().map_err(in_variable("signals"))?;
        let registry = Registry::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let (context, health) = start::open(settings, &registry).await?;
        Ok(Self {
            context,
            registry,
            health,
            signals,
        })
    }

    /// Works until SIGTERM or SIGINT. Then it stops claiming, keeps renewing its leases, and waits for
    /// running exports during the grace period. After it, or after a second signal, it aborts the uploads
    /// and releases the exports.
    pub async fn run(mut self) {
        let stop = CancellationToken::new();
        let shutdown = CancellationToken::new();
        let context = self.context;
        tracing::info!(worker = context.name, "worker started");

        let wakeup = notify::spawn(context.database.clone(), stop.clone());
        let hints = queue_hints::spawn(context.database.clone(), stop.clone());
        let janitor = tokio::spawn(janitor::run(context.clone(), hints.clone(), stop.clone()));
        let health = self.health.map(|server| {
            let metrics = Sampler::new(&self.registry, context.database.clone());
            let routes = health::routes(context.database.clone())
                .merge(exports_service::metrics::routes(self.registry, metrics));
            tokio::spawn(server.run(routes, stop.clone()))
        });
        let claims = ClaimLoop::new(context.clone(), wakeup, hints, shutdown.clone());
        let mut claims = tokio::spawn(claims.run(stop.clone()));

        self.signals.next().await;
        tracing::info!("stopping: no more claims");
        stop.cancel();
        tokio::select! {
            _ = &mut claims => {}
            () = tokio::time::sleep(context.settings.shutdown_grace) => {
                tracing::info!("the grace period is over: running exports are released");
            }
            () = self.signals.next() => {
                tracing::info!("second signal: running exports are released");
            }
        }
        shutdown.cancel();
        // Each task ends within bounded time. The runtime has logged a panic.
        for task in [Some(claims), Some(janitor), health].into_iter().flatten() {
            if !task.is_finished() {
                task.await.ok();
            }
        }
        context.database.close().await;
        tracing::info!("worker stopped");
    }
}

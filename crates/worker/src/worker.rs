//! Runs a worker process: start, work, graceful shutdown.

use std::sync::Arc;

use exports_service::descriptors::Descriptors;
use exports_service::metrics::Registry;
use exports_service::readiness::Readiness;
use exports_service::start::{Signals, StartError, in_variable};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::background::webhooks::Deliverer;
use crate::background::{janitor, notify, queue_hints};
use crate::claim_loop::ClaimLoop;
use crate::context::Context;
use crate::health;
use crate::metrics::Sampler;
use crate::start::{self, Settings, Startup, WebhookSender};

/// A worker whose health listener is open.
pub struct Worker {
    context: Context,
    webhooks: WebhookSender,
    registry: Registry,
    health: Option<health::Server>,
    signals: Signals,
    startup: Startup,
}

impl Worker {
    /// Opens the dependencies without connecting to them, installs the signal handlers and sets up logging.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        // A worker has a fixed number of connections and files, so the limit itself does not matter.
        let _ = Descriptors::raise();
        let signals = Signals::install().map_err(in_variable("signals"))?;
        let registry = Registry::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let opened = start::open(settings, &registry).await?;
        Ok(Self {
            context: opened.context,
            webhooks: opened.webhooks,
            registry,
            health: opened.health,
            signals,
            startup: opened.startup,
        })
    }

    /// Waits for its dependencies, and works until SIGTERM or SIGINT. Then it stops claiming, keeps renewing its leases, and waits for
    /// running exports during the grace period. After it, or after a second signal, it aborts the uploads
    /// and releases the exports. If the dependencies do not become available in time, that is the error.
    pub async fn run(mut self) -> Result<(), StartError> {
        let stop = CancellationToken::new();
        let shutdown = CancellationToken::new();
        let context = self.context;
        let health = self.health.map(|server| {
            let metrics = Sampler::new(&self.registry, context.database.clone());
            let started = self.startup.started.clone();
            let routes = health::routes(Readiness::new(context.rights.clone()), started)
                .merge(exports_service::metrics::routes(self.registry, metrics));
            tokio::spawn(server.run(routes, stop.clone()))
        });
        tokio::select! {
            biased;
            () = self.signals.next() => {
                tracing::info!("stopped before the dependencies were available");
                return Ok(());
            }
            completed = self.startup.complete() => completed?,
        }
        tracing::info!(worker = context.name, "worker started");

        let webhooks_due = Arc::new(Notify::new());
        let wakeup = notify::spawn(&context, Arc::clone(&webhooks_due), shutdown.clone());
        let hints = queue_hints::spawn(context.database.clone(), stop.clone());
        let janitor = tokio::spawn(janitor::run(context.clone(), hints.clone(), stop.clone()));
        let WebhookSender { clients, networks } = self.webhooks;
        let deliverer = Deliverer::new(context.clone(), clients, networks, webhooks_due);
        let mut deliveries = tokio::spawn(deliverer.run(stop.clone(), shutdown.clone()));
        let claims = ClaimLoop::new(context.clone(), wakeup, hints, shutdown.clone());
        let mut claims = tokio::spawn(claims.run(stop.clone()));

        self.signals.next().await;
        tracing::info!("stopping: no more claims");
        stop.cancel();
        tokio::select! {
            _ = async { tokio::join!(&mut claims, &mut deliveries) } => {}
            () = tokio::time::sleep(context.settings.shutdown_grace) => {
                tracing::info!("the grace period is over: running exports are released");
            }
            () = self.signals.next() => {
                tracing::info!("second signal: running exports are released");
            }
        }
        shutdown.cancel();
        // Each task ends within bounded time. The runtime has logged a panic.
        for task in [Some(claims), Some(deliveries), Some(janitor), health]
            .into_iter()
            .flatten()
        {
            if !task.is_finished() {
                task.await.ok();
            }
        }
        context.changes.flush().await;
        context.database.close().await;
        context.tracer.shutdown().await;
        tracing::info!("worker stopped");
        Ok(())
    }
}

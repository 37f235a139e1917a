//! The life of a worker process: begin, work until told to stop, finish or give back, end.

use exports_service::metrics::Registry;
use exports_service::start::{Signals, StartError, in_variable};
use tokio_util::sync::CancellationToken;

use crate::background::{janitor, notify, queue_hints};
use crate::claim_loop::ClaimLoop;
use crate::context::Context;
use crate::health;
use crate::metrics::Sampler;
use crate::start::{Opened, Settings};

/// A worker that has everything it needs.
pub struct Worker {
    context: Context,
    registry: Registry,
    health: Option<health::Server>,
    signals: Signals,
}

impl Worker {
    /// Opens database and store, takes over the signals and sets up logs.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let signals = Signals::install().map_err(in_variable("signals"))?;
        let registry = Registry::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let Opened { context, health } = Opened::open(settings, &registry).await?;
        Ok(Self {
            context,
            registry,
            health,
            signals,
        })
    }

    /// Works until SIGTERM or SIGINT. Then it claims nothing more, keeps its leases alive, and
    /// lets exports finish within the grace period; what has not finished by then, or by a second
    /// signal, is abandoned: uploads aborted, exports given back.
    pub async fn run(mut self) {
        let stop = CancellationToken::new();
        let abandon = CancellationToken::new();
        let context = self.context;
        tracing::info!(worker = context.name, "worker started");

        let wakeup = notify::spawn(context.database.clone(), stop.clone());
        let memory = queue_hints::spawn(context.database.clone(), stop.clone());
        let janitor = tokio::spawn(janitor::run(context.clone(), memory.clone(), stop.clone()));
        let health = self.health.map(|server| {
            let metrics = Sampler::new(&self.registry, context.database.clone());
            let routes = health::routes(context.database.clone())
                .merge(exports_service::metrics::routes(self.registry, metrics));
            tokio::spawn(server.run(routes, stop.clone()))
        });
        let claims = ClaimLoop::new(context.clone(), wakeup, memory, abandon.clone());
        let mut claims = tokio::spawn(claims.run(stop.clone()));

        self.signals.next().await;
        tracing::info!("stopping: no more claims");
        stop.cancel();
        tokio::select! {
            _ = &mut claims => {}
            () = tokio::time::sleep(context.settings.shutdown_grace) => {
                tracing::info!("the grace period is over: exports that are not finished are given back");
            }
            () = self.signals.next() => {
                tracing::info!("a second signal: exports that are not finished are given back");
            }
        }
        abandon.cancel();
        // Each of these ends by itself, in bounded time; a panic in one was logged by the runtime.
        for task in [Some(claims), Some(janitor), health].into_iter().flatten() {
            if !task.is_finished() {
                task.await.ok();
            }
        }
        context.database.close().await;
        tracing::info!("worker stopped");
    }
}

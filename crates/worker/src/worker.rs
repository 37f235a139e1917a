//! The life of a worker process: begin, work until told to stop, finish or give back, end.

use exports_metrics::Registry;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::claim_loop::ClaimLoop;
use crate::metrics::Sampler;
use crate::start::{Context, Settings, StartError};
use crate::{health, janitor, surveyor, wakeup};

/// A worker that has everything it needs.
pub struct Worker {
    context: Context,
    registry: Registry,
    health: Option<health::Server>,
    signals: Signals,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Worker {
    /// Opens database and store, takes over the signals and sets up logs.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        // The one error is that something else was installed before, which would do as well.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let signals = Signals::catch().map_err(|error| StartError::new("signals", &error))?;
        let health_listen = settings.worker.health_listen;
        let log_format = settings.log.log_format;
        let registry = Registry::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let context = Context::open(settings, &registry).await?;
        let health = match health_listen {
            None => None,
            Some(address) => Some(
                health::Server::bind(address)
                    .await
                    .map_err(|error| StartError::new("EXPORTS_HEALTH_LISTEN", &error))?,
            ),
        };
        // Only now: until here the libraries' words would only surround the one line that counts.
        exports_settings::init_logging(log_format)
            .map_err(|error| StartError::new("RUST_LOG", &error))?;
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

        let wakeup = wakeup::spawn(context.database.clone(), stop.clone());
        let memory = surveyor::spawn(context.database.clone(), stop.clone());
        let janitor = tokio::spawn(janitor::run(context.clone(), memory.clone(), stop.clone()));
        let health = self.health.map(|server| {
            let metrics = Sampler::new(&self.registry, context.database.clone());
            let routes = health::routes(context.database.clone())
                .merge(exports_metrics::routes(self.registry, metrics));
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

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

//! The settings of the worker, and how it opens its dependencies.

use std::time::Duration;

use clap::Parser;
use exports_database::Program;
use exports_postgres::PoolPurpose;
use exports_service::healthcheck;
use exports_service::logging::init_logging;
use exports_service::metrics::Registry;
use exports_service::settings::{
    DatabaseSettings, LogSettings, StartSettings, StoreSettings, WebhookSendSettings,
    WebhookSettings, WorkerSettings,
};
use exports_service::start::{Dependencies, StartError, Started, in_variable, listen_error};
use exports_service::traces::Tracer;
use exports_service::webhooks::WebhookNetworks;

use crate::background::webhooks::Clients;
use crate::context::Context;
use crate::health;

/// Claims exports from the queue and writes their files into the object store
#[derive(Debug, Parser)]
#[command(version, after_help = healthcheck::HELP)]
pub struct Settings {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    worker: WorkerSettings,
    #[command(flatten)]
    webhooks: WebhookSettings,
    #[command(flatten)]
    webhook_sending: WebhookSendSettings,
    #[command(flatten)]
    start: StartSettings,
    #[command(flatten)]
    log: LogSettings,
}

/// What a worker has before its dependencies are available.
pub(crate) struct Opened {
    pub(crate) context: Context,
    pub(crate) webhooks: WebhookSender,
    pub(crate) health: Option<health::Server>,
    pub(crate) startup: Startup,
}

/// How webhooks are sent.
pub(crate) struct WebhookSender {
    pub(crate) clients: Clients,
    pub(crate) networks: WebhookNetworks,
}

/// The rest of the start, which needs the dependencies. The health listener answers meanwhile.
pub(crate) struct Startup {
    dependencies: Dependencies,
    timeout: Duration,
    pub(crate) started: Started,
}

impl Startup {
    /// Waits until the dependencies are available.
    pub(crate) async fn complete(&self) -> Result<(), StartError> {
        self.dependencies
            .wait_until_available(self.timeout, || ())
            .await?;
        self.started.set();
        Ok(())
    }
}

/// Opens the dependencies without connecting, binds the health listener and sets up logging.
pub(crate) async fn open(settings: Settings, registry: &Registry) -> Result<Opened, StartError> {
    let purpose = PoolPurpose::Worker {
        concurrency: settings.worker.concurrency,
    };
    let dependencies = Dependencies::open(
        &settings.database,
        &settings.store,
        Program::Worker,
        purpose,
    )?;
    let health = match settings.worker.health_listen {
        None => None,
        Some(address) => {
            let bound = health::Server::bind(address).await;
            Some(bound.map_err(|error| listen_error("EXPORTS_HEALTH_LISTEN", address, &error))?)
        }
    };
    let tracer = Tracer::from_environment(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
    let networks = settings
        .webhooks
        .webhook_allowed_networks
        .unwrap_or_default();
    let networks = WebhookNetworks::new(networks);
    let clients = Clients::new(&networks, settings.webhook_sending.webhook_proxy.as_ref())
        .map_err(in_variable("EXPORTS_WEBHOOK_PROXY"))?;
    // Last, because log lines of libraries would hide a wrong setting.
    init_logging(settings.log.log_format).map_err(in_variable("RUST_LOG"))?;
    let startup = Startup {
        dependencies: dependencies.clone(),
        timeout: settings.start.startup_timeout,
        started: Started::default(),
    };
    Ok(Opened {
        webhooks: WebhookSender { clients, networks },
        context: Context::new(dependencies, settings.worker, registry, tracer),
        health,
        startup,
    })
}

//! The settings of the worker, and how it opens its dependencies.

use clap::Parser;
use exports_postgres::PoolPurpose;
use exports_service::healthcheck;
use exports_service::logging::init_logging;
use exports_service::metrics::Registry;
use exports_service::settings::{DatabaseSettings, LogSettings, StoreSettings, WorkerSettings};
use exports_service::start::{Dependencies, StartError, in_variable};

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
    log: LogSettings,
}

/// Opens the dependencies, connects to each once, binds the health listener and sets up logging.
pub(crate) async fn open(
    settings: Settings,
    registry: &Registry,
) -> Result<(Context, Option<health::Server>), StartError> {
    let purpose = PoolPurpose::Worker {
        concurrency: settings.worker.concurrency,
    };
    let dependencies = Dependencies::open(&settings.database, settings.store, purpose)?;
    dependencies.check().await?;
    let health = match settings.worker.health_listen {
        None => None,
        Some(address) => {
            let bound = health::Server::bind(address).await;
            Some(bound.map_err(in_variable("EXPORTS_HEALTH_LISTEN"))?)
        }
    };
    // Last, because log lines of libraries would hide a start error.
    init_logging(settings.log.log_format).map_err(in_variable("RUST_LOG"))?;
    let context = Context::new(dependencies, settings.worker, registry);
    Ok((context, health))
}

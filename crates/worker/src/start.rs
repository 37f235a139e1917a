//! What a worker needs before it can begin, and the one line that says what is missing.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use exports_metrics::Registry;
use exports_objects::{OpenError, Store, StoreConfig};
use exports_settings::{
    DatabaseSettings, ExposeSecret, LogSettings, SourceRowSecurity, StoreSettings, WorkerSettings,
    error_line,
};
use exports_storage::source::RowSecurity;
use exports_storage::{Database, MigrationState, PoolPurpose, Source};

use crate::metrics::WorkerMetrics;
use crate::sessions::Sessions;

const STORE: &str = "EXPORTS_OBJECT_STORE_URL";

/// Takes exports from the queue and writes their files into the object store
#[derive(Debug, Parser)]
#[command(version, after_help = exports_healthcheck::HELP)]
pub struct Settings {
    #[command(flatten)]
    pub(crate) database: DatabaseSettings,
    #[command(flatten)]
    pub(crate) store: StoreSettings,
    #[command(flatten)]
    pub(crate) worker: WorkerSettings,
    #[command(flatten)]
    pub(crate) log: LogSettings,
}

/// Why a worker cannot begin: one line that names the variable.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct StartError {
    variable: &'static str,
    reason: String,
}

impl StartError {
    pub(crate) fn new(variable: &'static str, error: &dyn StdError) -> Self {
        Self {
            variable,
            reason: error_line(error),
        }
    }
}

/// What the parts of a worker share.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) database: Database,
    pub(crate) sessions: Sessions,
    pub(crate) store: Store,
    pub(crate) settings: WorkerSettings,
    /// Sessions that read one large export at the same time.
    pub(crate) readers: u16,
    pub(crate) metrics: Arc<WorkerMetrics>,
    /// This process, in `lease_owner` and in logs.
    pub(crate) name: String,
}

impl Context {
    /// Opens everything and asks each part once whether it is there.
    pub(crate) async fn open(settings: Settings, registry: &Registry) -> Result<Self, StartError> {
        const DATABASE: &str = "DATABASE_URL";
        const SOURCE: &str = "EXPORTS_SOURCE_DATABASE_URL";
        let purpose = PoolPurpose::Worker {
            concurrency: settings.worker.concurrency,
        };
        let url = settings.database.database_url.expose_secret();
        let database = Database::new(url, purpose).map_err(|e| StartError::new(DATABASE, &e))?;
        let source = match &settings.database.source_database_url {
            None => Source::same_as(&database),
            Some(url) => Source::at(url.expose_secret(), &database, purpose)
                .map_err(|e| StartError::new(SOURCE, &e))?,
        };
        let source = source.with_row_security(match settings.database.source_row_security {
            SourceRowSecurity::Refuse => RowSecurity::Refuse,
            SourceRowSecurity::Apply => RowSecurity::Apply,
        });
        let store = Store::open(&StoreConfig {
            url: settings.store.url,
            public_endpoint: settings.store.public_endpoint,
        })
        .map_err(|e| StartError::new(store_variable(&e), &e))?;

        database
            .check()
            .await
            .map_err(|e| StartError::new(DATABASE, &e))?;
        match database.migration_state().await {
            Ok(MigrationState::Current) => {}
            Ok(state) => return Err(StartError::new(DATABASE, &state)),
            Err(error) => return Err(StartError::new(DATABASE, &error)),
        }
        source
            .check()
            .await
            .map_err(|e| StartError::new(SOURCE, &e))?;
        store
            .check()
            .await
            .map_err(|e| StartError::new(STORE, &e))?;
        let readers = settings.worker.readers.unwrap_or_else(default_readers);
        Ok(Self {
            database,
            sessions: Sessions::new(source, settings.worker.concurrency, readers),
            store,
            readers,
            settings: settings.worker,
            metrics: Arc::new(WorkerMetrics::new(registry)),
            name: process_name(),
        })
    }
}

/// Which variable is to blame.
fn store_variable(error: &OpenError) -> &'static str {
    match error {
        OpenError::PublicEndpoint(_) => "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT",
        OpenError::Url(_) | OpenError::Environment(_) | OpenError::Directory(_) => STORE,
    }
}

/// As many as there are cores, for the server is often on as many; four read faster than a file is
/// hashed.
fn default_readers() -> u16 {
    std::thread::available_parallelism()
        .map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(u16::MAX))
        .min(4)
}

/// `host-pid`: enough for a person to find it.
fn process_name() -> String {
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|host| host.into_string().ok())
        .unwrap_or_else(|| "worker".to_owned());
    format!("{host}-{}", std::process::id())
}

/// `pause`, a quarter shorter or longer, so that workers which began together drift apart.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}

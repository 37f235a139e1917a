//! Opens the dependencies of a service. An error is one line that names the variable.

use std::error::Error as StdError;
use std::io;

use exports_database::{Database, MigrationState};
use exports_domain::error_line;
use exports_objects::{OpenError, Store, StoreConfig};
use exports_postgres::PoolPurpose;
use exports_source::{RowSecurity, Source};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::settings::{DatabaseSettings, ExposeSecret, SourceRowSecurity, StoreSettings};

const DATABASE: &str = "DATABASE_URL";
const SOURCE: &str = "EXPORTS_SOURCE_DATABASE_URL";
const STORE: &str = "EXPORTS_OBJECT_STORE_URL";
const STORE_PUBLIC: &str = "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT";

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

/// Adds the name of the variable to an error. For `map_err`.
pub fn in_variable<E: StdError>(variable: &'static str) -> impl FnOnce(E) -> StartError {
    move |error| StartError(format!("{variable}: {}", error_line(&error)))
}

impl StartError {
    /// The value of a variable cannot be used.
    #[must_use]
    pub fn new(variable: &'static str, reason: &str) -> Self {
        Self(format!("{variable}: {reason}"))
    }
}

/// The dependencies of every service.
#[derive(Debug)]
pub struct Dependencies {
    /// The service's own database.
    pub database: Database,
    /// The database of the messages.
    pub source: Source,
    /// The object store.
    pub store: Store,
}

impl Dependencies {
    /// Parses the addresses and sets up TLS. Does not connect.
    pub fn open(
        databases: &DatabaseSettings,
        store: StoreSettings,
        purpose: PoolPurpose,
    ) -> Result<Self, StartError> {
        // This fails only if a provider is installed already.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let url = databases.database_url.expose_secret();
        let database = Database::new(url, purpose).map_err(in_variable(DATABASE))?;
        let source = match &databases.source_database_url {
            None => Source::same_as(&database),
            Some(url) => {
                Source::at(url.expose_secret(), &database, purpose).map_err(in_variable(SOURCE))?
            }
        };
        let source = source.with_row_security(match databases.source_row_security {
            SourceRowSecurity::Refuse => RowSecurity::Refuse,
            SourceRowSecurity::Apply => RowSecurity::Apply,
        });
        let config = StoreConfig {
            url: store.url,
            public_endpoint: store.public_endpoint,
        };
        let store = Store::open(&config).map_err(|error| {
            let variable = match error {
                OpenError::PublicEndpoint(_) => STORE_PUBLIC,
                OpenError::Url(_) | OpenError::Environment(_) | OpenError::Directory(_) => STORE,
            };
            in_variable(variable)(error)
        })?;
        Ok(Self {
            database,
            source,
            store,
        })
    }

    /// Connects to each once. The database must have the schema of this version.
    pub async fn check(&self) -> Result<(), StartError> {
        self.database.check().await.map_err(in_variable(DATABASE))?;
        match self.database.migration_state().await {
            Ok(MigrationState::Current) => {}
            Ok(state) => return Err(in_variable(DATABASE)(state)),
            Err(error) => return Err(in_variable(DATABASE)(error)),
        }
        self.source.check().await.map_err(in_variable(SOURCE))?;
        self.store.check().await.map_err(in_variable(STORE))
    }
}

/// SIGTERM and SIGINT. After [`Signals::install`] they no longer end the process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

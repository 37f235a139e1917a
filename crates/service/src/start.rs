//! Opens the dependencies of a service, and waits until they are available. An error is one line that names
//! the variable.

mod check;
mod wait;

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use exports_database::{Database, Program};
use exports_domain::error_line;
use exports_objects::{ErrorKind, OpenError, Store, StoreConfig, StoreError};
use exports_postgres::{Client, PoolPurpose};
use exports_source::{RowSecurity, Source};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::outage::Outage;
use crate::rights::Rights;
use crate::settings::{DatabaseSettings, ExposeSecret, SourceRowSecurity, StoreSettings};

const DATABASE: &str = "DATABASE_URL";
const SOURCE: &str = "EXPORTS_SOURCE_DATABASE_URL";
const STORE: &str = "EXPORTS_OBJECT_STORE_URL";
const STORE_PUBLIC: &str = "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT";

/// Why a service cannot start.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{line}")]
pub struct StartError {
    line: String,
    wait: Wait,
}

/// Whether an error can pass without a change of the settings, and how long that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// It cannot pass.
    No,
    /// `exportctl migrate` may be about to grant missing rights. That takes moments.
    Briefly,
    /// For the whole time of the start.
    UntilTimeout,
}

/// Adds the name of the variable to an error. For `map_err`.
pub fn in_variable<E: StdError>(variable: &'static str) -> impl FnOnce(E) -> StartError {
    move |error| StartError::new(variable, &error_line(&error))
}

impl StartError {
    /// The value of a variable cannot be used.
    #[must_use]
    pub fn new(variable: &'static str, reason: &str) -> Self {
        Self {
            line: format!("{variable}: {reason}"),
            wait: Wait::No,
        }
    }

    /// Sets whether it can pass without a change of the settings.
    fn that_may_pass(self, may_pass: bool) -> Self {
        self.that_waits(if may_pass {
            Wait::UntilTimeout
        } else {
            Wait::No
        })
    }

    fn that_waits(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }
}

/// Whether the dependencies have been available since the start. Clones share the answer.
#[derive(Debug, Clone, Default)]
pub struct Started(Arc<AtomicBool>);

impl Started {
    /// They were available once. This never becomes false again: `/readyz` and the answers of requests show
    /// later outages.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Records that they are available.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The dependencies of every service. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Dependencies {
    /// The service's own database.
    pub database: Database,
    /// The database of the messages.
    pub source: Source,
    /// The object store.
    pub store: Store,
    /// The rights of the program's roles in both databases.
    pub rights: Rights,
    source_is_separate: bool,
}

impl Dependencies {
    /// Parses the addresses and sets up TLS. Does not connect.
    pub fn open(
        databases: &DatabaseSettings,
        store: StoreSettings,
        program: Program,
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
        let source_is_separate = databases.source_database_url.is_some();
        let source_client = source_is_separate.then(|| source.client().clone());
        Ok(Self {
            rights: Rights::new(program, database.clone(), source_client),
            database,
            source,
            store,
            source_is_separate,
        })
    }

    /// Logs outages of the databases from now on, and one warning for each database whose connections may be
    /// unencrypted.
    fn watch(&self) {
        self.database.observe(Arc::new(Outage::of("the database")));
        // No effect if the source is in the service's database.
        let outage = Outage::of("the source database");
        self.source.client().observe(Arc::new(outage));
        warn_if_unencrypted(DATABASE, &self.database);
        if self.source_is_separate {
            warn_if_unencrypted(SOURCE, self.source.client());
        }
    }
}

fn warn_if_unencrypted(variable: &str, client: &Client) {
    let servers = client.unencrypted_servers();
    if !servers.is_empty() {
        tracing::warn!(
            variable,
            servers = servers.join(", "),
            "connections to a database over a network may be unencrypted: add sslmode=verify-full, or at \
             least sslmode=require, to the address"
        );
    }
}

/// Refused credentials and impossible requests need other settings. The credentials of a cloud's metadata
/// service may come later.
fn may_pass(error: &StoreError) -> bool {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::NotFound => true,
        ErrorKind::Refused => error.lacks_credentials(),
        ErrorKind::Invalid => false,
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

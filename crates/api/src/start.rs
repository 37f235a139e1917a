//! What the API needs before it can begin, and the one line that says what is missing.

use std::error::Error as StdError;
use std::net::SocketAddr;

use clap::Parser;
use exports_objects::{LinkSigner, OpenError, Store, StoreConfig};
use exports_settings::{
    ApiSettings, DatabaseSettings, ExposeSecret, LogSettings, StoreSettings, error_line,
    init_logging,
};
use exports_storage::{Database, MigrationState, PoolPurpose, Source};
use tokio::net::TcpListener;

const DATABASE: &str = "DATABASE_URL";
const SOURCE: &str = "EXPORTS_SOURCE_DATABASE_URL";
const STORE: &str = "EXPORTS_OBJECT_STORE_URL";
const STORE_PUBLIC: &str = "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT";
const SIGNING_KEY: &str = "EXPORTS_SIGNING_KEY";
const LISTEN: &str = "EXPORTS_LISTEN";
const METRICS_LISTEN: &str = "EXPORTS_METRICS_LISTEN";

/// Serves the HTTP API
#[derive(Debug, Parser)]
#[command(version, after_help = exports_healthcheck::HELP)]
pub struct Settings {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    api: ApiSettings,
    #[command(flatten)]
    log: LogSettings,
}

/// Why the API cannot begin: one line that names the variable.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

/// For `map_err`: names the variable.
fn in_variable<E: StdError>(variable: &'static str) -> impl FnOnce(E) -> StartError {
    move |error| StartError(format!("{variable}: {}", error_line(&error)))
}

/// What was opened.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) source: Source,
    pub(crate) store: Store,
    pub(crate) signer: Option<LinkSigner>,
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) metrics_listener: Option<TcpListener>,
    pub(crate) public_url: String,
}

impl Opened {
    /// Sets up the process, opens everything and asks each part once whether it is there.
    pub(crate) async fn open(settings: Settings) -> Result<Self, StartError> {
        // It fails only where one is installed already, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let (database, source) = databases(&settings.database)?;
        let (store, signer) = store(settings.store, &settings.api)?;
        check_databases(&database, &source).await?;
        store.check().await.map_err(in_variable(STORE))?;
        let listener = TcpListener::bind(settings.api.listen)
            .await
            .map_err(in_variable(LISTEN))?;
        let address = listener.local_addr().map_err(in_variable(LISTEN))?;
        let metrics_listener = match settings.api.metrics_listen {
            None => None,
            Some(address) => Some(
                TcpListener::bind(address)
                    .await
                    .map_err(in_variable(METRICS_LISTEN))?,
            ),
        };
        // Only now: until here the libraries' words would only surround the one line that counts.
        init_logging(settings.log.log_format)
            .map_err(|error| StartError(format!("RUST_LOG: {error}")))?;
        let public_url = settings
            .api
            .public_url
            .map_or_else(|| format!("http://{address}"), String::from);
        Ok(Self {
            database,
            source,
            store,
            signer,
            listener,
            address,
            metrics_listener,
            public_url: public_url.trim_end_matches('/').to_owned(),
        })
    }
}

fn databases(settings: &DatabaseSettings) -> Result<(Database, Source), StartError> {
    let url = settings.database_url.expose_secret();
    let database = Database::new(url, PoolPurpose::Api).map_err(in_variable(DATABASE))?;
    let source = match &settings.source_database_url {
        None => Source::same_as(&database),
        Some(url) => Source::at(url.expose_secret(), &database, PoolPurpose::Api)
            .map_err(in_variable(SOURCE))?,
    };
    Ok((database, source))
}

fn store(
    settings: StoreSettings,
    api: &ApiSettings,
) -> Result<(Store, Option<LinkSigner>), StartError> {
    let config = StoreConfig {
        url: settings.url,
        public_endpoint: settings.public_endpoint,
    };
    let store = Store::open(&config).map_err(|error| {
        let variable = match error {
            OpenError::PublicEndpoint(_) => STORE_PUBLIC,
            OpenError::Url(_) | OpenError::Environment(_) | OpenError::Directory(_) => STORE,
        };
        in_variable(variable)(error)
    })?;
    let key = api.signing_key.as_ref();
    let signer = key.map(|key| LinkSigner::new(key.expose_secret().as_bytes()));
    if signer.is_none() && !store.signs() {
        let reason = "must be set with a file:// store: the API signs its links with it";
        return Err(StartError(format!("{SIGNING_KEY}: {reason}")));
    }
    Ok((store, signer))
}

async fn check_databases(database: &Database, source: &Source) -> Result<(), StartError> {
    database.check().await.map_err(in_variable(DATABASE))?;
    match database.migration_state().await {
        Ok(MigrationState::Current) => {}
        Ok(state) => return Err(in_variable(DATABASE)(state)),
        Err(error) => return Err(in_variable(DATABASE)(error)),
    }
    source.check().await.map_err(in_variable(SOURCE))?;
    Ok(())
}

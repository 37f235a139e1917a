//! The start of the API: its settings, its dependencies and its listeners.

use std::net::SocketAddr;
use std::sync::Once;
use std::time::Duration;

use clap::Parser;
use exports_database::Program;
use exports_domain::{Count, Limit, Limits};
use exports_objects::{LinkSigner, Store};
use exports_postgres::PoolPurpose;
use exports_service::http_server::Tls;
use exports_service::logging::init_logging;
use exports_service::settings::{
    ApiSettings, CorsOrigins, DatabaseSettings, ExposeSecret, LimitSettings, LogSettings, Networks,
    StartSettings, StoreSettings, Switch, WebhookSettings,
};
use exports_service::start::{Dependencies, StartError, Started, in_variable, listen_error};
use exports_service::traces::Tracer;
use exports_service::webhooks::WebhookNetworks;
use exports_wire::ManifestKey;
use tokio::net::TcpListener;

const SIGNING_KEY: &str = "EXPORTS_SIGNING_KEY";
const MANIFEST_KEY: &str = "EXPORTS_MANIFEST_KEY";
const PREVIOUS_SIGNING_KEY: &str = "EXPORTS_SIGNING_KEY_PREVIOUS";
const LISTEN: &str = "EXPORTS_LISTEN";
const PUBLIC_URL: &str = "EXPORTS_PUBLIC_URL";
const TLS_CERT: &str = "EXPORTS_TLS_CERT";
const TLS_KEY: &str = "EXPORTS_TLS_KEY";
const METRICS_LISTEN: &str = "EXPORTS_METRICS_LISTEN";

/// Serves the HTTP API
#[derive(Debug, Parser)]
#[command(version, after_help = exports_service::healthcheck::HELP)]
pub struct Settings {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    api: ApiSettings,
    #[command(flatten)]
    limits: LimitSettings,
    #[command(flatten)]
    webhooks: WebhookSettings,
    #[command(flatten)]
    start: StartSettings,
    #[command(flatten)]
    log: LogSettings,
}

/// The open dependencies and listeners.
pub(crate) struct Opened {
    pub(crate) dependencies: Dependencies,
    pub(crate) signer: Option<LinkSigner>,
    pub(crate) manifest_key: Option<ManifestKey>,
    pub(crate) trusted_proxies: Networks,
    pub(crate) cors_origins: Option<CorsOrigins>,
    pub(crate) console: bool,
    pub(crate) docs: bool,
    pub(crate) tls: Option<Tls>,
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) max_connections: usize,
    pub(crate) metrics_listener: Option<TcpListener>,
    pub(crate) public_url: String,
    pub(crate) limits: Limits,
    pub(crate) tracer: Tracer,
    pub(crate) webhook_networks: WebhookNetworks,
    pub(crate) max_streams: Limit<Count>,
    pub(crate) startup: Startup,
}

/// The rest of the start, which needs the dependencies. The API listens meanwhile.
pub(crate) struct Startup {
    dependencies: Dependencies,
    timeout: Duration,
    started: Started,
}

impl Startup {
    /// Waits until the dependencies are available. Calls `announce` once: when they are, or when the first check has failed.
    /// Usually they are, and whoever waits for the line `listening` can then send requests.
    pub(crate) async fn complete(&self, announce: impl Fn()) -> Result<(), StartError> {
        let announced = Once::new();
        let announce = || announced.call_once(&announce);
        self.dependencies
            .wait_until_available(self.timeout, announce)
            .await?;
        self.started.set();
        announce();
        Ok(())
    }

    /// Whether it is complete.
    pub(crate) fn started(&self) -> Started {
        self.started.clone()
    }
}

impl Opened {
    /// Opens everything that needs no dependency.
    pub(crate) async fn open(settings: Settings) -> Result<Self, StartError> {
        let dependencies = Dependencies::open(
            &settings.database,
            &settings.store,
            Program::Api,
            PoolPurpose::Api,
        )?;
        let signer = link_signer(&dependencies.store, &settings.api)?;
        let manifest_key = manifest_key(&settings.api)?;
        let tls = tls(&settings.api)?;
        refuse_unspecified_links(&settings.api)?;
        let listener = bind(LISTEN, settings.api.listen).await?;
        let address = listener.local_addr().map_err(in_variable(LISTEN))?;
        let metrics_listener = match settings.api.metrics_listen {
            None => None,
            Some(address) => Some(bind(METRICS_LISTEN, address).await?),
        };
        let tracer = Tracer::from_environment(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
        // Last, so that a wrong setting prints only its error and no log lines of libraries.
        init_logging(settings.log.log_format).map_err(in_variable("RUST_LOG"))?;
        let public_url = settings
            .api
            .public_url
            .map_or_else(|| url_of(address, tls.as_ref()), String::from);
        let startup = Startup {
            dependencies: dependencies.clone(),
            timeout: settings.start.startup_timeout,
            started: Started::default(),
        };
        Ok(Self {
            dependencies,
            startup,
            signer,
            manifest_key,
            trusted_proxies: settings.api.trusted_proxies.unwrap_or_default(),
            cors_origins: settings.api.cors_origins,
            console: settings.api.console == Switch::On,
            docs: settings.api.docs == Switch::On,
            tls,
            max_connections: settings.api.max_connections as usize,
            listener,
            address,
            metrics_listener,
            public_url: public_url.trim_end_matches('/').to_owned(),
            limits: settings.limits.into(),
            tracer,
            webhook_networks: WebhookNetworks::new(
                settings
                    .webhooks
                    .webhook_allowed_networks
                    .unwrap_or_default(),
            ),
            max_streams: settings.api.max_streams_per_project,
        })
    }
}

fn link_signer(store: &Store, api: &ApiSettings) -> Result<Option<LinkSigner>, StartError> {
    let key = api.signing_key.as_ref();
    let previous = api.signing_key_previous.as_ref();
    if key.is_none() && previous.is_some() {
        let reason = "must not be set without EXPORTS_SIGNING_KEY, which signs new links";
        return Err(StartError::new(PREVIOUS_SIGNING_KEY, reason));
    }
    let signer = key.map(|key| {
        let signer = LinkSigner::new(key.expose_secret().as_bytes());
        match previous {
            None => signer,
            Some(previous) => signer.also_verifying(previous.expose_secret().as_bytes()),
        }
    });
    if signer.is_none() && !store.signs() {
        let reason = "must be set with a file:// store: the API signs the links to its files";
        return Err(StartError::new(SIGNING_KEY, reason));
    }
    Ok(signer)
}

async fn bind(variable: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| listen_error(variable, address, &error))
}

fn manifest_key(api: &ApiSettings) -> Result<Option<ManifestKey>, StartError> {
    let key = api.manifest_key.as_ref();
    let key = key.map(|pem| ManifestKey::from_pem(pem.expose_secret()));
    let key = key.transpose();
    key.map_err(|error| StartError::new(MANIFEST_KEY, &error.to_string()))
}

/// Consumers cannot reach 0.0.0.0, which the default public URL would have.
fn refuse_unspecified_links(api: &ApiSettings) -> Result<(), StartError> {
    let has_own_links = api.signing_key.is_some();
    if !has_own_links || api.public_url.is_some() || !api.listen.ip().is_unspecified() {
        return Ok(());
    }
    let listen = api.listen;
    let reason = format!(
        "must be set with {LISTEN}={listen}, to which no link to a file can lead: set the address that consumers use, \
         such as https://exports.example.com"
    );
    Err(StartError::new(PUBLIC_URL, &reason))
}

fn tls(api: &ApiSettings) -> Result<Option<Tls>, StartError> {
    match (&api.tls_cert, &api.tls_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            let opened = Tls::open(certificate.into(), key.into());
            opened
                .map(Some)
                .map_err(|error| in_variable(error.variable())(error))
        }
        (Some(_), None) => Err(StartError::new(
            TLS_KEY,
            "must be set with EXPORTS_TLS_CERT",
        )),
        (None, Some(_)) => Err(StartError::new(
            TLS_CERT,
            "must be set with EXPORTS_TLS_KEY",
        )),
    }
}

/// The address as a URL.
pub(crate) fn url_of(address: SocketAddr, tls: Option<&Tls>) -> String {
    let scheme = if tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

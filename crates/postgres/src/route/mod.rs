//! How a database is reached.
//!
//! Our own connection ([`crate::wire`]) reaches everything that an address can name. sqlx,
//! which serves all other statements, connects by itself where it can: to a single server, without
//! TLS or with TLS that is not verified, or verified by the system's authorities. For everything
//! else it connects to the `gateway`, which opens one of our own connections for each of its.
//!
//! Whether a server is such that sqlx can connect to it becomes known with [`Route::ask`]. Behind a
//! pooler (`PgBouncer`) the gateway also makes prepared statements work, in `statements`.

mod gateway;
mod prepared_statements;

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::address::{Address, ChannelBindingMode, Endpoint, Host, TargetSession};
use crate::error::{Error, UrlError};
use crate::tls::{Roots, SslMode, Verify};
use crate::wire::{self, Opened, SessionInfo};
use gateway::Gateway;

/// How a database is reached, and the settings of every session there.
#[derive(Debug)]
pub(crate) struct Route {
    address: Address,
    /// Settings of each session, by name.
    settings: Vec<(&'static str, &'static str)>,
    gateway: OnceLock<Gateway>,
    /// Something between us and the server shares its connections.
    is_pooled: AtomicBool,
}

/// What was connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedServer {
    /// The server that was chosen: host and port.
    pub server: String,
    /// Whether the connection to it is encrypted.
    pub tls: bool,
    /// It is a pooler, such as `PgBouncer`, and not the server itself.
    pub pooler: bool,
}

impl Route {
    pub(crate) fn new(address: Address, settings: Vec<(&'static str, &'static str)>) -> Arc<Self> {
        Arc::new(Self {
            address,
            settings,
            gateway: OnceLock::new(),
            is_pooled: AtomicBool::new(false),
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    fn is_pooled(&self) -> bool {
        self.is_pooled.load(Ordering::Relaxed)
    }

    /// The `options` that a server is sent when a session starts. A pooler may refuse any.
    pub(crate) fn startup_options(&self) -> Option<String> {
        let mut options = self.address.options.clone().unwrap_or_default();
        if !self.is_pooled() {
            for (name, value) in &self.settings {
                // Writing to a string does not fail.
                let _ = write!(options, " -c {name}={value}");
            }
        }
        let options = options.trim();
        (!options.is_empty()).then(|| options.to_owned())
    }

    /// The settings as statements, where they cannot be sent with the start of a session.
    pub(crate) fn settings_to_send(&self) -> Option<String> {
        let is_needed = self.is_pooled() && !self.settings.is_empty();
        is_needed.then(|| {
            let statements = self
                .settings
                .iter()
                .map(|(name, value)| format!("SET {name} = '{value}'"));
            statements.collect::<Vec<_>>().join("; ")
        })
    }

    /// Connects once to find out what is there. Gives what sqlx has to connect to from now on.
    pub(crate) async fn ask(
        self: &Arc<Self>,
    ) -> Result<(ConnectedServer, PgConnectOptions), Error> {
        let opened = match wire::open(self).await {
            Err(error) if refuses_options(&error) && !self.is_pooled() => {
                self.is_pooled.store(true, Ordering::Relaxed);
                wire::open(self).await
            }
            opened => opened,
        };
        let Opened {
            mut connection,
            facts,
        } = opened?;
        // A pooler makes up the process id of a session, which is not the server's.
        let process = connection
            .query("SELECT pg_catalog.pg_backend_pid()")
            .await?;
        let process = process.first().and_then(|row| row.first()?.clone());
        let is_pooled = process != Some(facts.process_id.to_string());
        self.is_pooled.store(is_pooled, Ordering::Relaxed);
        connection.close().await;
        let options = match self.direct(Some(&facts)) {
            Some(options) => options,
            None => self.through_gateway().map_err(|error| Error::Unavailable {
                maybe_committed: false,
                source: sqlx::Error::Io(error),
            })?,
        };
        let reached = ConnectedServer {
            server: facts.server,
            tls: facts.tls.is_some(),
            pooler: is_pooled,
        };
        Ok((reached, options))
    }

    /// What sqlx connects to as long as nothing is known of the server.
    pub(crate) fn unasked(self: &Arc<Self>) -> Result<PgConnectOptions, UrlError> {
        match self.direct(None) {
            Some(options) => Ok(options),
            None => self.through_gateway().map_err(|error| {
                UrlError::Part(format!("no local socket can be made for it: {error}"))
            }),
        }
    }

    fn through_gateway(self: &Arc<Self>) -> io::Result<PgConnectOptions> {
        let gateway = if let Some(gateway) = self.gateway.get() {
            gateway
        } else {
            let new = Gateway::start(Arc::downgrade(self))?;
            self.gateway.get_or_init(|| new)
        };
        Ok(self
            .base(PgConnectOptions::new_without_pgpass())
            .socket(gateway.folder())
            .ssl_mode(PgSslMode::Disable))
    }

    /// sqlx's own way, if it leads to the same server in the same manner as ours.
    fn direct(&self, facts: Option<&SessionInfo>) -> Option<PgConnectOptions> {
        let Address { hosts, tls, .. } = &self.address;
        let [host] = hosts.as_slice() else {
            return None;
        };
        if self.is_pooled() || self.wants_more_than_sqlx_has(host) {
            return None;
        }
        let mode = match (&host.endpoint, tls.mode) {
            (Endpoint::Unix(_), _) | (_, SslMode::Disable) => PgSslMode::Disable,
            _ => self.direct_tls(host, facts)?,
        };
        let mut options = self.with_options()?;
        options = match &host.endpoint {
            Endpoint::Unix(folder) => options.socket(folder),
            Endpoint::Tcp(to) => options.host(to),
        };
        let password = host.password.as_ref();
        Some(
            options
                .port(host.port)
                .password(password.map_or("", |password| &password.0))
                .ssl_mode(mode),
        )
    }

    fn wants_more_than_sqlx_has(&self, host: &Host) -> bool {
        let Address { tls, .. } = &self.address;
        let is_abstract = |folder: &Path| folder.as_os_str().as_encoded_bytes().starts_with(b"@");
        matches!(&host.endpoint, Endpoint::Unix(folder) if is_abstract(folder))
            || self.address.target != TargetSession::Any
            || self.address.channel_binding == ChannelBindingMode::Require
            || self.address.required_auth.is_some()
            || tls.client.is_some()
            || tls.is_direct
            || !tls.sends_name
            || !tls.versions.are_all()
    }

    /// The mode in which sqlx does what is wanted of TLS.
    fn direct_tls(&self, host: &Host, facts: Option<&SessionInfo>) -> Option<PgSslMode> {
        let tls = &self.address.tls;
        let is_unusual = facts
            .and_then(|facts| facts.tls.as_ref())
            .is_some_and(|tls| tls.is_unusual);
        let is_fallback = facts.is_some_and(|facts| facts.is_fallback);
        match (tls.mode, tls.verify()) {
            _ if is_unusual => None,
            (SslMode::Prefer, Verify::Nothing) if is_fallback => Some(PgSslMode::Disable),
            (SslMode::Prefer, Verify::Nothing) => Some(PgSslMode::Prefer),
            (SslMode::Require, Verify::Nothing) => Some(PgSslMode::Require),
            // Beside a file sqlx would trust the system's authorities, too.
            (SslMode::VerifyFull, _) => {
                let by_system = matches!(tls.roots, Roots::System | Roots::Unset);
                let is_by_name = host.endpoint == Endpoint::Tcp(host.name.clone());
                (by_system && is_by_name && facts.is_some()).then_some(PgSslMode::VerifyFull)
            }
            _ => None,
        }
    }

    /// With the server's command-line options. sqlx takes these as they are from a URL only, and
    /// adds them to those of the environment.
    fn with_options(&self) -> Option<PgConnectOptions> {
        let of_environment = std::env::var("PGOPTIONS").ok().filter(|v| !v.is_empty());
        let options = match &self.address.options {
            given if *given == of_environment => PgConnectOptions::new_without_pgpass(),
            Some(given) if of_environment.is_none() => {
                let given = utf8_percent_encode(given, NON_ALPHANUMERIC);
                // It has no part that is not percent-encoded.
                format!("postgres://localhost/?password=none&options={given}")
                    .parse()
                    .ok()?
            }
            _ => return None,
        };
        Some(self.base(options).options(self.settings.iter().copied()))
    }

    fn base(&self, options: PgConnectOptions) -> PgConnectOptions {
        let mut options = options
            .username(&self.address.user)
            // Poolers know no such parameter, and no text of a float is read here.
            .extra_float_digits(None)
            // The pool's users log what matters themselves; a slow COPY is no news.
            .disable_statement_logging();
        // A URL may leave it to the server, whose default is the user's name.
        options = options.database(
            self.address
                .database
                .as_deref()
                .unwrap_or(&self.address.user),
        );
        if let Some(name) = &self.address.application_name {
            options = options.application_name(name);
        }
        if let Some(capacity) = self.address.statement_cache {
            options = options.statement_cache_capacity(capacity);
        }
        options
    }
}

/// `PgBouncer` refuses settings that it cannot keep track of.
fn refuses_options(error: &Error) -> bool {
    error.sql_state().as_deref() == Some("08P01")
        && wire::reason_of(error).contains("startup parameter")
}

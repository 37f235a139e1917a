//! How sqlx reaches a server: directly, or through the gateway.
//!
//! Our own connection ([`crate::wire`]) supports every address. sqlx supports only some of them: a
//! single server, without TLS, with unverified TLS, or verified by the authorities of the system.
//! There it connects *directly*. For every other address, and for a pooler (`PgBouncer`), sqlx
//! connects to the *gateway*, a proxy on a local socket. For each client the gateway opens one of our
//! own connections and forwards the bytes.
//!
//! [`Route::probe`] connects once and decides which of the two is used.

mod direct;
mod gateway;
mod messages;
mod prepared_statements;
mod upstream;

use std::io;
use std::sync::{Arc, OnceLock};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::address::Address;
use crate::error::{Error, UrlError};
use crate::wire::{Opened, SessionInfo, WireConnection};
use direct::Direct;
use gateway::Gateway;
use upstream::Upstream;

/// How sqlx reaches a server.
#[derive(Debug)]
pub(crate) struct Route {
    upstream: Arc<Upstream>,
    /// Started when it is first needed.
    gateway: OnceLock<Gateway>,
}

/// The server that was connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedServer {
    /// Host and port.
    pub server: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether the server is a pooler, such as `PgBouncer`.
    pub pooler: bool,
}

impl Route {
    pub(crate) fn new(address: Address, settings: Vec<(&'static str, &'static str)>) -> Self {
        Self {
            upstream: Arc::new(Upstream::new(address, settings)),
            gateway: OnceLock::new(),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.upstream.address
    }

    pub(crate) async fn open_wire(&self) -> Result<WireConnection, Error> {
        Ok(self.upstream.connect().await?.connection)
    }

    /// Connects once. Returns the server, and what sqlx connects to from now on.
    pub(crate) async fn probe(&self) -> Result<(ConnectedServer, PgConnectOptions), Error> {
        // Another probe may learn meanwhile that it is a pooler.
        let sends_options = !self.upstream.is_pooler();
        let opened = match self.upstream.connect().await {
            Err(error) if refuses_options(&error) && sends_options => {
                self.upstream.set_pooler(true);
                self.upstream.connect().await
            }
            opened => opened,
        };
        let Opened {
            mut connection,
            info,
        } = opened?;
        // A pooler reports a process id of its own, not that of the server.
        let process_id = connection
            .value("SELECT pg_catalog.pg_backend_pid()")
            .await?;
        let is_pooler = process_id != Some(info.process_id.to_string());
        self.upstream.set_pooler(is_pooler);
        connection.close().await;
        let options = self.options(Some(&info));
        let options = options.map_err(|error| Error::not_sent(sqlx::Error::Io(error)))?;
        let server = ConnectedServer {
            server: info.server,
            tls: info.tls.is_some(),
            pooler: is_pooler,
        };
        Ok((server, options))
    }

    /// What sqlx connects to before the first probe.
    pub(crate) fn options_before_probe(&self) -> Result<PgConnectOptions, UrlError> {
        self.options(None).map_err(|error| {
            UrlError::Part(format!("cannot create a local socket for it: {error}"))
        })
    }

    fn options(&self, info: Option<&SessionInfo>) -> io::Result<PgConnectOptions> {
        let Upstream {
            address, settings, ..
        } = &*self.upstream;
        if !self.upstream.is_pooler()
            && let Some(options) = (Direct { address, settings }).options(info)
        {
            return Ok(options);
        }
        let gateway = if let Some(gateway) = self.gateway.get() {
            gateway
        } else {
            let new = Gateway::start(Arc::clone(&self.upstream))?;
            self.gateway.get_or_init(|| new)
        };
        Ok(
            direct::base(address, PgConnectOptions::new_without_pgpass())
                .socket(gateway.directory())
                .ssl_mode(PgSslMode::Disable),
        )
    }
}

/// `PgBouncer` refuses startup parameters that it does not track.
fn refuses_options(error: &Error) -> bool {
    error.sql_state().as_deref() == Some("08P01") && error.reason().contains("startup parameter")
}

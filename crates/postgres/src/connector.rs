//! Opens sqlx connections to one database: directly, or through the gateway (see `route`).

use std::sync::{Arc, PoisonError, RwLock};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::address::{Address, TargetSession};
use crate::error::{Error, UrlError};
use crate::route::{ConnectedServer, Route};
use crate::timeouts::connect_in_time;
use crate::wire::WireConnection;

/// Which servers are acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Only a primary.
    ReadWrite,
    /// A primary or a standby.
    ReadOnly,
}

/// Opens sqlx connections to one database.
#[derive(Debug)]
pub(crate) struct Connector {
    route: Route,
    access: Access,
    /// What sqlx connects to, as far as the server is known.
    options: RwLock<Arc<PgConnectOptions>>,
}

/// Connecting failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is invalid.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The server cannot be reached, or refuses the login.
    #[error(transparent)]
    Database(#[from] Error),
}

impl Connector {
    /// Parses the address. Every session gets the `settings`. Does not connect.
    pub(crate) fn new(
        url: &str,
        settings: Vec<(&'static str, &'static str)>,
        access: Access,
    ) -> Result<Self, UrlError> {
        let mut address = Address::parse(url)?;
        address.tls.check_files()?;
        if access == Access::ReadWrite
            && address.target == TargetSession::Any
            && address.hosts.len() > 1
        {
            // Any of several hosts may be the primary now.
            address.target = TargetSession::ReadWrite;
        }
        let route = Route::new(address, settings);
        let options = RwLock::new(Arc::new(route.options_before_probe()?));
        Ok(Self {
            route,
            access,
            options,
        })
    }

    pub(crate) fn unencrypted_servers(&self) -> Vec<String> {
        self.route.address().unencrypted_servers()
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn options(&self) -> Arc<PgConnectOptions> {
        let options = self.options.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&options)
    }

    /// Connects once with our own connection, which gives exact reasons when it fails. The result
    /// decides how sqlx connects from now on.
    pub(crate) async fn probe(&self) -> Result<ConnectedServer, Error> {
        let (server, options) = self.route.probe().await?;
        let mut current = self.options.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(options);
        Ok(server)
    }

    pub(crate) async fn open_wire(&self) -> Result<WireConnection, Error> {
        self.route.open_wire().await
    }

    /// A new sqlx connection.
    pub(crate) async fn connect(&self) -> Result<PgConnection, Error> {
        match self.try_connect().await {
            Err(error) if may_need_gateway(&error) => {
                tracing::debug!(%error, "sqlx cannot connect, probing the server");
                self.probe().await?;
                self.try_connect().await
            }
            connected => connected,
        }
    }

    async fn try_connect(&self) -> Result<PgConnection, Error> {
        connect_in_time(PgConnection::connect_with(&self.options())).await
    }
}

/// Connects once, without session settings.
pub async fn connect_once(url: &str) -> Result<PgConnection, ConnectError> {
    let connector = Connector::new(url, Vec::new(), Access::ReadWrite)?;
    connector.probe().await?;
    Ok(connector.try_connect().await?)
}

/// Whether the server answers, but refuses sqlx as it connects now: because of the certificate, of
/// `pg_hba.conf`, or of a setting that a pooler does not accept.
fn may_need_gateway(error: &Error) -> bool {
    match error {
        Error::Unavailable { source, .. } | Error::Refused(source) => match source {
            sqlx::Error::Io(reason) => reason.kind() == std::io::ErrorKind::InvalidData,
            sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
            sqlx::Error::Database(reason) => reason
                .code()
                .is_some_and(|code| code == "08P01" || code == "28000"),
            _ => false,
        },
        _ => false,
    }
}

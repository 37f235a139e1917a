//! How sqlx connects to a database: by itself or through the gateway, as `route` found out.

use std::sync::{Arc, PoisonError, RwLock};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::address::{Address, TargetSession};
use crate::client::in_time;
use crate::error::{Error, UrlError};
use crate::pool::Access;
use crate::route::{ConnectedServer, Route};

/// Opens sqlx's connections to a database.
#[derive(Debug)]
pub(crate) struct Connector {
    route: Arc<Route>,
    /// What sqlx makes of the route, as far as it is known.
    options: RwLock<Arc<PgConnectOptions>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is wrong.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The server cannot be reached, or refuses.
    #[error(transparent)]
    Database(#[from] Error),
}

impl Connector {
    /// Names a database without connecting to it; `settings` are those of every session.
    pub(crate) fn new(
        url: &str,
        settings: Vec<(&'static str, &'static str)>,
        access: Access,
    ) -> Result<Self, UrlError> {
        let mut address = Address::parse(url)?;
        if access == Access::ReadWrite
            && address.target == TargetSession::Any
            && address.hosts.len() > 1
        {
            // Of several hosts only the primary will do, whichever it is now.
            address.target = TargetSession::ReadWrite;
        }
        let route = Route::new(address, settings);
        let options = RwLock::new(Arc::new(route.unasked()?));
        Ok(Self { route, options })
    }

    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// What sqlx connects with.
    pub(crate) fn options(&self) -> Arc<PgConnectOptions> {
        let options = self.options.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&options)
    }

    /// Connects once, for the reason why it fails. What is found out about the server decides how
    /// sqlx connects from now on.
    pub(crate) async fn ask(&self) -> Result<ConnectedServer, Error> {
        let (reached, options) = self.route.ask().await?;
        let mut known = self.options.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(options);
        Ok(reached)
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<PgConnection, Error> {
        match self.try_connect().await {
            Err(error) if may_need_another_way(&error) => {
                tracing::debug!(%error, "sqlx cannot connect, asking what the server is like");
                // The reason that our own connection gives says more.
                self.ask().await?;
                self.try_connect().await
            }
            connected => connected,
        }
    }

    async fn try_connect(&self) -> Result<PgConnection, Error> {
        in_time(PgConnection::connect_with(&self.options())).await
    }
}

/// Connects once to an address, with nothing set for the session.
pub async fn connect_once(url: &str) -> Result<PgConnection, ConnectError> {
    let connector = Connector::new(url, Vec::new(), Access::ReadWrite)?;
    connector.ask().await?;
    Ok(connector.try_connect().await?)
}

/// The server is there, but not for sqlx as it connects now: its certificate, `pg_hba.conf`, or a
/// pooler that refuses a setting.
fn may_need_another_way(error: &Error) -> bool {
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

//! A database that statements are sent to: its address, its pool of connections, whether it answers.
//! `repeatable` runs statements that may run twice.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::sqlx_connector::Connector;
use crate::error::{Error, UrlError};
use crate::pool::{Access, Pool, PooledConnection, check_writable};
use crate::route::ConnectedServer;
use crate::wire::{self, WireConnection};

/// What a pool's connections are for; it decides how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolPurpose {
    /// Requests of the API: many short statements.
    Api,
    /// A worker's claims, heartbeats and sweeps, for so many exports at a time.
    Worker {
        /// Exports at a time.
        concurrency: u16,
    },
    /// A command that runs one thing after the other.
    Command,
}

/// What the connections of a pool are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Open, and waiting for a statement.
    pub idle: u32,
    /// In somebody's hands.
    pub used: u32,
    /// The most that there can be.
    pub max: u32,
}

/// A database, reached over a pool of connections. Clones share the pool.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) pool: Pool,
    pub(crate) connector: Arc<Connector>,
}

/// No statement of the service comes near this; one that hangs must not hold its caller.
const STATEMENT_TIMEOUT: &str = "10s";
/// How long to wait for a connection before the database counts as away.
pub const ACQUIRE_TIMEOUT: Duration = CONNECT_TIMEOUT;
/// How long connecting may take, whatever the number of hosts.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Client {
    /// Names a database that is written to, without connecting to it.
    pub fn new(url: &str, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Self::with_access(url, purpose, Access::ReadWrite)
    }

    /// The same for one that is only read, which may be a standby.
    pub fn read_only(url: &str, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Self::with_access(url, purpose, Access::ReadOnly)
    }

    fn with_access(url: &str, purpose: PoolPurpose, access: Access) -> Result<Self, UrlError> {
        let mut settings = SHORT_STATEMENTS.to_vec();
        if let PoolPurpose::Worker { .. } = purpose {
            // Planning a claim takes as long as the claim, and its plan is the same each time.
            settings.push(("plan_cache_mode", "force_generic_plan"));
        }
        let connector = Arc::new(Connector::new(url, settings, access)?);
        Ok(Self {
            pool: Pool::new(Arc::clone(&connector), size(purpose), access),
            connector,
        })
    }

    /// Connects once, for the reason why it fails: a pool would only tell that time ran out. What is
    /// found out about the server decides how the pool connects from now on.
    pub async fn check(&self) -> Result<ConnectedServer, Error> {
        let reached = self.connector.ask().await?;
        if self.pool.access() == Access::ReadWrite {
            let connection = self.fresh_connection().await?;
            // Nothing was asked, so nothing can be lost with a close that fails.
            connection.close().await.ok();
        }
        Ok(reached)
    }

    /// Asks the database for an answer, through the pool.
    pub async fn ping(&self) -> Result<(), Error> {
        self.repeatable(&(), |connection, ()| Box::pin(ping(connection)))
            .await
    }

    /// A connection for one statement, or for several that need not be the same transaction's.
    pub async fn connection(&self) -> Result<PooledConnection, Error> {
        self.pool.acquire().await
    }

    /// What the pool's connections are doing now.
    #[must_use]
    pub fn pool_use(&self) -> PoolUse {
        let (idle, used) = self.pool.usage();
        PoolUse {
            idle,
            used,
            max: self.pool.size(),
        }
    }

    /// Opens a [`WireConnection`] of the caller's own, which is not part of the pool.
    pub async fn open_wire(&self) -> Result<WireConnection, Error> {
        Ok(wire::open(self.connector.route()).await?.connection)
    }

    /// Options to connect with sqlx, outside the pool.
    #[must_use]
    pub fn connect_options(&self) -> Arc<PgConnectOptions> {
        self.connector.options()
    }

    /// Waits until every connection is given back, and closes them.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection that has never been another statement's, and takes writes.
    pub async fn fresh_connection(&self) -> Result<PgConnection, Error> {
        let mut connection = self.connector.connect().await?;
        check_writable(&mut connection).await?;
        Ok(connection)
    }
}

/// Settings for sessions whose statements read a few rows each. The compiler for expressions is
/// off: it starts by estimated costs, and took half a second for a claim of half a millisecond.
const SHORT_STATEMENTS: [(&str, &str); 2] =
    [("statement_timeout", STATEMENT_TIMEOUT), ("jit", "off")];

/// How many connections.
fn size(purpose: PoolPurpose) -> u32 {
    match purpose {
        PoolPurpose::Api => 16,
        // Heartbeats must not wait for sweeps, nor claims for either.
        PoolPurpose::Worker { concurrency } => u32::from(concurrency) + 3,
        PoolPurpose::Command => 2,
    }
}

async fn ping(connection: &mut PooledConnection) -> Result<(), Error> {
    sqlx::query_scalar!(r#"SELECT 1 AS "one!""#)
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// What comes of connecting; it is not waited for longer than for a connection of a pool.
pub(crate) async fn in_time<T, E>(
    connecting: impl Future<Output = Result<T, E>>,
) -> Result<T, Error>
where
    Error: From<E>,
{
    match timeout(ACQUIRE_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(Error::unsent),
        Err(_) => Err(Error::silence(ACQUIRE_TIMEOUT)),
    }
}

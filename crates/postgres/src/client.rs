//! One database: its address and its connection pool.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::availability::Observer;
use crate::connector::{Access, Connector};
use crate::error::{Error, UrlError};
use crate::pool::{Pool, PooledConnection, check_writable};
use crate::route::ConnectedServer;
use crate::timeouts::Limits;
use crate::wire::WireConnection;

/// What a pool is for. It decides the pool's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolPurpose {
    /// Requests of the API: many short statements.
    Api,
    /// A worker's claims, heartbeats and sweeps.
    Worker {
        /// How many exports run at the same time.
        concurrency: u16,
    },
    /// A command that runs one statement after another.
    Command,
}

/// How many connections of a pool are idle and in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Open, without a statement.
    pub idle: u32,
    /// Acquired by a caller.
    pub used: u32,
    /// The pool's size.
    pub max: u32,
}

/// A database and its connection pool. Clones share the pool.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) pool: Pool,
    connector: Arc<Connector>,
}

impl Client {
    /// A client that reads and writes. Does not connect.
    pub fn new(url: &str, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Self::with_access(url, purpose, Access::ReadWrite)
    }

    /// A client that only reads, from a primary or a standby. Does not connect.
    pub fn read_only(url: &str, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Self::with_access(url, purpose, Access::ReadOnly)
    }

    fn with_access(url: &str, purpose: PoolPurpose, access: Access) -> Result<Self, UrlError> {
        let limits = Limits::of(purpose);
        // JIT is off: for a claim of half a millisecond it took half a second.
        let mut settings = vec![("statement_timeout", limits.statement), ("jit", "off")];
        if let PoolPurpose::Worker { .. } = purpose {
            // Planning a claim takes as long as the claim, and the plan never changes.
            settings.push(("plan_cache_mode", "force_generic_plan"));
        }
        let connector = Arc::new(Connector::new(url, settings, access)?);
        Ok(Self {
            pool: Pool::new(Arc::clone(&connector), size(purpose), limits.answer),
            connector,
        })
    }

    /// Connects once outside the pool, so that an error has its exact reason. The pool then uses
    /// what this connection shows about the server.
    pub async fn check(&self) -> Result<ConnectedServer, Error> {
        let server = self.connector.probe().await?;
        if self.connector.access() == Access::ReadWrite {
            let connection = self.fresh_connection().await?;
            // No statement is open, so an error of the close loses nothing.
            connection.close().await.ok();
        }
        Ok(server)
    }

    /// Runs an empty query through the pool.
    pub async fn ping(&self) -> Result<(), Error> {
        self.repeatable(&(), |connection, ()| Box::pin(ping(connection)))
            .await
    }

    /// A connection of the pool, for statements that do not share a transaction.
    pub async fn connection(&self) -> Result<PooledConnection, Error> {
        self.pool.acquire().await
    }

    /// A new connection of the pool, for a statement whose answer over another one is lost or late.
    pub async fn new_connection(&self) -> Result<PooledConnection, Error> {
        self.pool.acquire_new().await
    }

    /// Reports to `observer` from now on. Only the first call has an effect.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.pool.observe(observer);
    }

    /// The servers that the address allows to reach without encryption, although they are on another
    /// machine.
    #[must_use]
    pub fn unencrypted_servers(&self) -> Vec<String> {
        self.connector.unencrypted_servers()
    }

    /// How the pool is used now.
    #[must_use]
    pub fn pool_use(&self) -> PoolUse {
        let (idle, used) = self.pool.usage();
        PoolUse {
            idle,
            used,
            max: self.pool.size(),
        }
    }

    /// Opens a [`WireConnection`] outside the pool.
    pub async fn open_wire(&self) -> Result<WireConnection, Error> {
        self.connector.open_wire().await
    }

    /// Options to connect with sqlx outside the pool.
    #[must_use]
    pub fn connect_options(&self) -> Arc<PgConnectOptions> {
        self.connector.options()
    }

    /// Waits until every connection is released, then closes all.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A new connection outside the pool to a server that accepts writes.
    pub async fn fresh_connection(&self) -> Result<PgConnection, Error> {
        let mut connection = self.connector.connect().await?;
        check_writable(&mut connection).await?;
        Ok(connection)
    }
}

fn size(purpose: PoolPurpose) -> u32 {
    match purpose {
        PoolPurpose::Api => 16,
        // One per export for its heartbeat, and three so that sweeps delay neither heartbeats nor claims.
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

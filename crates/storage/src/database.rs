//! The service's own database: its address, its pool of connections, whether it is there.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use crate::address::Address;
use crate::error::{Error, UrlError};
use crate::route::{Reached, Route};

/// What a pool's connections are for; it decides how many there are and how patient they are.
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

/// The service's own database.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) pool: PgPool,
    /// How it is reached; the pool's options are what sqlx makes of it.
    pub(crate) route: Arc<Route>,
}

/// No statement of the service comes near this; one that hangs must not hold its caller.
const STATEMENT_TIMEOUT: &str = "10s";
/// How long to wait for a connection before the database counts as away.
const ACQUIRE_TIMEOUT: Duration = CONNECT_TIMEOUT;
/// How long connecting may take, whatever the number of hosts.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Database {
    /// Names a database without connecting to it.
    pub fn new(url: &str, purpose: PoolPurpose) -> Result<Self, UrlError> {
        let mut settings = SHORT_STATEMENTS.to_vec();
        if let PoolPurpose::Worker { .. } = purpose {
            // Planning a claim takes as long as the claim, and its plan is the same each time.
            settings.push(("plan_cache_mode", "force_generic_plan"));
        }
        let route = Route::new(Address::parse(url)?, settings);
        Ok(Self {
            pool: pool(route.unasked()?, purpose),
            route,
        })
    }

    /// Connects once, for the reason why it fails: a pool would only tell that time ran out. What is
    /// found out about the server decides how the pool connects from now on.
    pub async fn check(&self) -> Result<Reached, Error> {
        let (reached, options) = self.route.ask().await?;
        self.pool.set_connect_options(options);
        Ok(reached)
    }

    /// Asks the database for an answer, through the pool.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read(&(), |connection, ()| Box::pin(ping(connection)))
            .await
    }

    /// Runs what may run twice, as what only reads may. A pool finds out by using a connection that the server has ended,
    /// with a restart for one: then the same is asked over a new connection.
    pub(crate) async fn read<A: ?Sized, T>(
        &self,
        arguments: &A,
        statement: impl for<'c> Fn(&'c mut PgConnection, &'c A) -> BoxFuture<'c, Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut pooled = self.pool.acquire().await?;
        match statement(&mut pooled, arguments).await {
            Err(error) if error.may_be_committed() => {
                tracing::debug!(%error, "a connection had ended, asking over a new one");
            }
            answered => return answered,
        }
        // The old one is kept meanwhile, so that there are never more than the pool may have.
        let mut fresh = self.fresh_connection().await?;
        statement(&mut fresh, arguments).await
    }

    /// What the pool's connections are doing now.
    #[must_use]
    pub fn pool_use(&self) -> PoolUse {
        let open = self.pool.size();
        // The two are not read at the same moment.
        let idle = u32::try_from(self.pool.num_idle()).map_or(open, |idle| idle.min(open));
        PoolUse {
            idle,
            used: open - idle,
            max: self.pool.options().get_max_connections(),
        }
    }

    /// Waits until every connection is given back, and closes them.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection that has never been another statement's.
    pub(crate) async fn fresh_connection(&self) -> Result<PgConnection, Error> {
        let options = self.pool.connect_options();
        match connect(&options).await {
            Err(error) if may_need_another_way(&error) => {
                tracing::debug!(%error, "sqlx cannot connect, asking what the server is like");
                // The reason that our own connection gives says more.
                self.check().await?;
                connect(&self.pool.connect_options()).await
            }
            connected => connected,
        }
    }
}

/// Settings for sessions whose statements read a few rows each. The compiler for expressions is
/// off: it starts by estimated costs, and took half a second for a claim of half a millisecond.
const SHORT_STATEMENTS: [(&str, &str); 2] =
    [("statement_timeout", STATEMENT_TIMEOUT), ("jit", "off")];

/// Connects once to an address, with nothing set for the session.
pub(crate) async fn connect_once(url: &str) -> Result<PgConnection, ConnectError> {
    let route = Route::new(Address::parse(url)?, Vec::new());
    let (_, options) = route.ask().await?;
    Ok(connect(&options).await?)
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Database(#[from] Error),
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

fn pool(options: PgConnectOptions, purpose: PoolPurpose) -> PgPool {
    let connections = match purpose {
        PoolPurpose::Api => 16,
        // Heartbeats must not wait for sweeps, nor claims for either.
        PoolPurpose::Worker { concurrency } => u32::from(concurrency) + 3,
        PoolPurpose::Command => 2,
    };
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // On, every statement costs a round trip more. Instead, only a connection that lay idle
        // is tried before use: the ones that a restart of the server broke are among these.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                let idle = meta.idle_for > Duration::from_secs(1);
                Ok(!idle || connection.ping().await.is_ok())
            })
        })
        .connect_lazy_with(options)
}

async fn ping(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query_scalar!(r#"SELECT 1 AS "one!""#)
        .fetch_one(connection)
        .await?;
    Ok(())
}

pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    in_time(PgConnection::connect_with(options)).await
}

/// What comes of connecting; it is not waited for longer than for a connection of a pool.
pub(crate) async fn in_time<T, E>(
    connecting: impl Future<Output = Result<T, E>>,
) -> Result<T, Error>
where
    Error: From<E>,
{
    match tokio::time::timeout(ACQUIRE_TIMEOUT, connecting).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(Error::Unavailable {
            maybe_committed: false,
            source: sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no answer within {} s", ACQUIRE_TIMEOUT.as_secs()),
            )),
        }),
    }
}

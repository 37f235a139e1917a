//! The service's own database: its address, its pool of connections, whether it is there.

use std::str::FromStr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use crate::error::{Error, UrlError};

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
    pub(crate) options: PgConnectOptions,
}

/// No statement of the service comes near this; one that hangs must not hold its caller.
const STATEMENT_TIMEOUT: &str = "10s";
/// How long to wait for a connection before the database counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

impl Database {
    /// Names a database without connecting to it.
    pub fn new(url: &str, purpose: PoolPurpose) -> Result<Self, UrlError> {
        let mut options = short_statements(parse_url(url)?);
        if let PoolPurpose::Worker { .. } = purpose {
            // Planning a claim takes as long as the claim, and its plan is the same each time.
            options = options.options([("plan_cache_mode", "force_generic_plan")]);
        }
        Ok(Self {
            pool: pool(options.clone(), purpose),
            options,
        })
    }

    /// Connects once, for the reason why it fails: a pool would only tell that time ran out.
    pub async fn check(&self) -> Result<(), Error> {
        let connection = self.fresh_connection().await?;
        // Nothing was asked, so nothing can be lost with a close that fails.
        connection.close().await.ok();
        Ok(())
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
        connect(&self.options).await
    }
}

/// Settings for sessions whose statements read a few rows each. The compiler for expressions is
/// off: it starts by estimated costs, and took half a second for a claim of half a millisecond.
fn short_statements(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("statement_timeout", STATEMENT_TIMEOUT), ("jit", "off")])
}

/// Reads a database's address; what it does not say comes from the usual `PG*` variables.
pub(crate) fn parse_url(url: &str) -> Result<PgConnectOptions, UrlError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(UrlError::Scheme);
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        UrlError::Part(match error {
            sqlx::Error::Configuration(reason) => reason.to_string(),
            other => other.to_string(),
        })
    })?;
    // The pool's users log what matters themselves; a slow COPY is no news.
    Ok(options.disable_statement_logging())
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

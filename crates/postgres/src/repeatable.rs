//! Runs statements that may run twice (reads and idempotent writes) despite a lost or dead connection.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::error::Error;
use crate::pool::PooledConnection;

/// A statement that takes longer also runs over a second connection, because the first one may be
/// dead (a half-open TCP connection).
const SLOW: Duration = Duration::from_secs(1);

/// An error that decides whether a statement runs again.
pub trait StatementError: From<Error> + fmt::Display {
    /// The error of the connection or the server, if it is one.
    fn postgres(&self) -> Option<&Error>;
}

impl StatementError for Error {
    fn postgres(&self) -> Option<&Error> {
        Some(self)
    }
}

/// Which connection answered first.
enum Winner<T, E> {
    First {
        answered: Result<T, E>,
        /// No other connection could be opened meanwhile.
        is_only: bool,
    },
    Spare(T),
}

/// All runs of a statement failed.
#[derive(Debug)]
pub struct RepeatError<E> {
    /// The error of the last run.
    pub error: E,
    /// One of the runs may have been committed.
    pub maybe_committed: bool,
}

impl<E: StatementError> From<E> for RepeatError<E> {
    fn from(error: E) -> Self {
        Self {
            maybe_committed: may_be_committed(&error),
            error,
        }
    }
}

fn may_be_committed(error: &impl StatementError) -> bool {
    error.postgres().is_some_and(Error::may_be_committed)
}

impl Client {
    /// Runs a statement that may run twice: a read or an idempotent write. It runs again over a new
    /// connection if the first connection is lost, leads to a read-only server, or answers slowly.
    pub async fn repeatable<A, T, E, S>(&self, arguments: &A, statement: S) -> Result<T, E>
    where
        A: ?Sized,
        E: StatementError,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, E>>,
    {
        let answered = self.repeatable_write(arguments, statement).await;
        answered.map_err(|failed| failed.error)
    }

    /// Like [`Self::repeatable`]. The error also says whether any run may have been committed.
    pub async fn repeatable_write<A, T, E, S>(
        &self,
        arguments: &A,
        statement: S,
    ) -> Result<T, RepeatError<E>>
    where
        A: ?Sized,
        E: StatementError,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, E>>,
    {
        let first = self.connection().await.map_err(E::from)?;
        self.repeatable_write_over(first, arguments, statement)
            .await
    }

    /// Like [`Self::repeatable_write`], over this connection first.
    pub async fn repeatable_write_over<A, T, E, S>(
        &self,
        mut first: PooledConnection,
        arguments: &A,
        statement: S,
    ) -> Result<T, RepeatError<E>>
    where
        A: ?Sized,
        E: StatementError,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, E>>,
    {
        let sent = Instant::now();
        let lost = match self.race(&mut first, arguments, &statement).await {
            Winner::First {
                answered: Err(error),
                is_only: false,
            } if error.postgres().is_some_and(Error::is_connection_error) => error,
            Winner::First { answered, .. } => return answered.map_err(RepeatError::from),
            Winner::Spare(answer) => {
                first.discard();
                self.pool.report_unanswered(sent);
                return Ok(answer);
            }
        };
        tracing::debug!(error = %lost, "database connection lost, repeating the statement over a new one");
        let again = async {
            let mut second = first.replaced().await?;
            statement(&mut second, arguments).await
        };
        again.await.map_err(|error: E| RepeatError {
            maybe_committed: may_be_committed(&lost) || may_be_committed(&error),
            error,
        })
    }

    /// Runs the statement over the first connection. If that is slow, over a spare connection too;
    /// the first answer wins.
    async fn race<A, T, E, S>(
        &self,
        first: &mut PooledConnection,
        arguments: &A,
        statement: &S,
    ) -> Winner<T, E>
    where
        A: ?Sized,
        E: StatementError,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, E>>,
    {
        let mut answer = statement(first, arguments);
        if let Ok(answered) = timeout(SLOW, &mut answer).await {
            return Winner::First {
                answered,
                is_only: false,
            };
        }
        let spare = pin!(async {
            let mut spare = self.pool.acquire_spare().await?;
            statement(&mut spare, arguments).await
        });
        match select(answer, spare).await {
            // The second run has begun already.
            Either::Left((Err(lost), spare))
                if lost.postgres().is_some_and(Error::is_connection_error) =>
            {
                match spare.await {
                    Ok(answer) => Winner::Spare(answer),
                    Err(spare) => Winner::First {
                        answered: Err(lost),
                        is_only: spare.postgres().is_some_and(Error::is_unavailable),
                    },
                }
            }
            Either::Left((answered, _)) => Winner::First {
                answered,
                is_only: false,
            },
            // The first connection may still answer.
            Either::Right((Err(spare), answer)) => Winner::First {
                is_only: spare.postgres().is_some_and(Error::is_unavailable),
                answered: answer.await,
            },
            Either::Right((Ok(answer), _)) => Winner::Spare(answer),
        }
    }
}

//! Statements that may run twice: they outlive a connection that is lost or has died silently.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::error::Error;
use crate::pool::PooledConnection;

/// A statement that takes longer is asked again over another connection, if it may run twice: the
/// connection can have died silently.
const SLOW: Duration = Duration::from_secs(1);

/// An error of a statement, as far as it decides whether the statement is sent again.
pub trait StatementError: From<Error> + fmt::Display {
    /// The connection's or the server's error, if it is one.
    fn postgres(&self) -> Option<&Error>;

    /// Whether the statement may have been carried out.
    fn may_be_committed(&self) -> bool {
        self.postgres().is_some_and(Error::may_be_committed)
    }
}

impl StatementError for Error {
    fn postgres(&self) -> Option<&Error> {
        Some(self)
    }
}

/// Which connection has answered a statement that was asked twice.
enum Answered<T, E> {
    First(Result<T, E>),
    Spare(T),
}

/// Why a statement that was asked twice was not answered.
#[derive(Debug)]
pub struct Failed<E> {
    /// The last reason.
    pub error: E,
    /// One of the times may have been carried out.
    pub maybe_committed: bool,
}

impl<E: StatementError> From<E> for Failed<E> {
    fn from(error: E) -> Self {
        Self {
            maybe_committed: error.may_be_committed(),
            error,
        }
    }
}

impl Client {
    /// Runs what may run twice: what only reads, and what writes the same the second time. It is
    /// asked again over a new connection where the first one was lost, where it led to a server
    /// that takes no writes, or where the answer is slow to come.
    pub async fn repeatable<A, T, E, S>(&self, arguments: &A, statement: S) -> Result<T, E>
    where
        A: ?Sized,
        E: StatementError,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, E>>,
    {
        let answered = self.repeatable_write(arguments, statement).await;
        answered.map_err(|failed| failed.error)
    }

    /// The same for what writes: the error says whether any of the times may have been carried out.
    pub async fn repeatable_write<A, T, E, S>(
        &self,
        arguments: &A,
        statement: S,
    ) -> Result<T, Failed<E>>
    where
        A: ?Sized,
        E: StatementError,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, E>>,
    {
        let mut first = self.connection().await.map_err(E::from)?;
        let asked = Instant::now();
        let lost = match self.race(&mut first, arguments, &statement).await {
            Answered::First(Err(error))
                if error.postgres().is_some_and(Error::is_of_connection) =>
            {
                error
            }
            Answered::First(answered) => return answered.map_err(Failed::from),
            Answered::Spare(answer) => {
                first.discard();
                self.pool.distrust_silent(asked);
                return Ok(answer);
            }
        };
        tracing::debug!(error = %lost, "a connection was lost, asking over a new one");
        let again = async {
            let mut second = first.renewed().await?;
            statement(&mut second, arguments).await
        };
        again.await.map_err(|error: E| Failed {
            maybe_committed: lost.may_be_committed() || error.may_be_committed(),
            error,
        })
    }

    /// Asks over the first connection; if that is slow, over a spare one too. Whichever answers.
    async fn race<A, T, E, S>(
        &self,
        first: &mut PooledConnection,
        arguments: &A,
        statement: &S,
    ) -> Answered<T, E>
    where
        A: ?Sized,
        E: StatementError,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, E>>,
    {
        let mut answer = statement(first, arguments);
        if let Ok(answered) = timeout(SLOW, &mut answer).await {
            return Answered::First(answered);
        }
        let spare = pin!(async {
            let mut spare = self.pool.acquire_spare().await?;
            statement(&mut spare, arguments).await
        });
        match select(answer, spare).await {
            Either::Left((answered, _)) => Answered::First(answered),
            // The first one can still be answered.
            Either::Right((Err(_), answer)) => Answered::First(answer.await),
            Either::Right((Ok(answer), _)) => Answered::Spare(answer),
        }
    }
}

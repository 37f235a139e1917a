//! Statements that may run twice: they outlive a connection that is lost or has died silently.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use tokio::time::{Instant, timeout};

use crate::database::Database;
use crate::error::Error;
use crate::pool::PooledConnection;

/// A statement that takes longer is asked again over another connection, if it may run twice: the
/// connection can have died silently.
const SLOW: Duration = Duration::from_secs(1);

/// Which connection has answered a statement that was asked twice.
enum Answered<T> {
    First(Result<T, Error>),
    Spare(T),
}

/// Why a statement that was asked twice was not answered.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The last reason.
    pub(crate) error: Error,
    /// One of the times may have been carried out.
    pub(crate) maybe_committed: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self {
            maybe_committed: error.may_be_committed(),
            error,
        }
    }
}

impl Database {
    /// Runs what may run twice: what only reads, and what writes the same the second time. It is
    /// asked again over a new connection where the first one was lost, where it led to a server
    /// that takes no writes, or where the answer is slow to come.
    pub(crate) async fn repeatable<A, T, S>(&self, arguments: &A, statement: S) -> Result<T, Error>
    where
        A: ?Sized,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, Error>>,
    {
        let answered = self.repeatable_write(arguments, statement).await;
        answered.map_err(|failed| failed.error)
    }

    /// The same for what writes: the error says whether any of the times may have been carried out.
    pub(crate) async fn repeatable_write<A, T, S>(
        &self,
        arguments: &A,
        statement: S,
    ) -> Result<T, Failed>
    where
        A: ?Sized,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, Error>>,
    {
        let mut first = self.connection().await?;
        let asked = Instant::now();
        let lost = match self.race(&mut first, arguments, &statement).await {
            Answered::First(Err(error)) if error.is_of_connection() => error,
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
        again.await.map_err(|error| Failed {
            maybe_committed: lost.may_be_committed() || error.may_be_committed(),
            error,
        })
    }

    /// Asks over the first connection; if that is slow, over a spare one too. Whichever answers.
    async fn race<A, T, S>(
        &self,
        first: &mut PooledConnection,
        arguments: &A,
        statement: &S,
    ) -> Answered<T>
    where
        A: ?Sized,
        S: for<'c> Fn(&'c mut PooledConnection, &'c A) -> BoxFuture<'c, Result<T, Error>>,
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

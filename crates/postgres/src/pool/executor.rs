//! Runs statements over a pooled connection, with a time limit. Errors decide whether the connection
//! stays usable.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, PgConnection, Postgres, SqlStr};
use tokio::time::{Instant, timeout};

use super::after_error::AfterError;
use super::pooled_connection::PooledConnection;
use super::session::State;
use crate::error::timeout_error;

impl PooledConnection {
    /// Runs a statement to completion. All its rows are in memory.
    async fn run<'c, T, F>(
        &'c mut self,
        statement: impl FnOnce(&'c mut PgConnection) -> F,
    ) -> sqlx::Result<T>
    where
        F: Future<Output = sqlx::Result<T>> + Send + 'c,
    {
        let pool = self.pool.clone();
        let session = self.session();
        session.state = State::Busy;
        let sent = Instant::now();
        let (connection, state) = (&mut session.connection, &mut session.state);
        let limit = pool.answer_limit;
        let Ok(answered) = timeout(limit, statement(connection)).await else {
            *state = State::Broken;
            pool.unanswered(sent);
            return Err(timeout_error(limit));
        };
        match answered.as_ref().err().map(AfterError::of) {
            None => {
                *state = State::Ready;
                pool.report(Ok(()));
            }
            Some(AfterError::Keep) => {
                *state = State::Ready;
                // The reason may be that the server is a standby now.
                session.checked_at = None;
            }
            Some(AfterError::Close) => *state = State::Broken,
            Some(AfterError::CloseAndCheckOthers) => {
                *state = State::Broken;
                pool.suspect();
            }
        }
        session.answered_at = Instant::now();
        answered
    }
}

impl<'c> Executor<'c> for &'c mut PooledConnection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.run(move |connection| connection.fetch_many(query).try_collect::<Vec<_>>())
            .map_ok(|answers| stream::iter(answers.into_iter().map(Ok)))
            .try_flatten_stream()
            .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.run(move |connection| connection.fetch_optional(query))
            .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.run(move |connection| connection.prepare_with(sql, parameters))
            .boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        self.run(move |connection| connection.describe(sql)).boxed()
    }
}

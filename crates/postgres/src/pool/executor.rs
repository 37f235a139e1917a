//! Statements over a connection of a pool: bounded in time, and with an eye on what their answers
//! say of the connection.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, PgConnection, Postgres, SqlStr};
use tokio::time::{Instant, timeout};

use super::PooledConnection;
use super::aftermath::Aftermath;
use super::session::Step;
use crate::error::silence;

/// The server ends a statement after ten seconds and says so; if it does not, the flow is dead.
const LIMIT: Duration = Duration::from_secs(12);

impl PooledConnection {
    /// Runs a statement to its end: its answers are few.
    async fn run<'c, T, F>(
        &'c mut self,
        ask: impl FnOnce(&'c mut PgConnection) -> F,
    ) -> sqlx::Result<T>
    where
        F: Future<Output = sqlx::Result<T>> + Send + 'c,
    {
        let pool = self.pool.clone();
        let session = self.session();
        session.step = Step::Asked;
        let sent = Instant::now();
        let (connection, step) = (&mut session.connection, &mut session.step);
        let Ok(answered) = timeout(LIMIT, ask(connection)).await else {
            *step = Step::Lost;
            pool.distrust_silent(sent);
            return Err(silence(LIMIT));
        };
        match answered.as_ref().err().map(Aftermath::of) {
            None => *step = Step::Ready,
            Some(Aftermath::InStep) => {
                *step = Step::Ready;
                // The server may have become another one's standby.
                session.checked_at = None;
            }
            Some(Aftermath::OutOfStep) => *step = Step::Lost,
            Some(Aftermath::Distrust) => {
                *step = Step::Lost;
                pool.distrust_unchecked();
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

//! A connection of its own that reads one export at a time under one snapshot.
//!
//! It is never a pooled one: dropping a COPY midway, or one that fails at its start, leaves a
//! connection that answers the next question with the previous one's answer (sqlx 0.9.0). Hence
//! [`SourceSession::finish`]: a session serves another export only after it has given back a
//! number nobody else can know. In every other case it is dropped, which closes it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use exports_domain::{Direction, MessageFilter, ProjectId};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::query::{PROJECT_SETTING, UrlColumn, copy_slice_statement, select_statement};
use super::slice::Slice;
use crate::database::{Database, connect};
use crate::error::Error;

/// A session on the source, at rest or reading.
#[derive(Debug)]
pub struct SourceSession {
    pub(super) connection: PgConnection,
    /// The primary, if this session is on a replica of it.
    primary: Option<Database>,
}

/// The URLs of a project's endpoints in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointUrls {
    /// All of them, by endpoint.
    All(HashMap<Uuid, String>),
    /// More than was asked for.
    TooMany,
}

/// A message, as far as a plan needs one.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Whose it is.
    pub project: String,
    /// Which way it goes.
    pub direction: String,
    /// Its time.
    pub created_at: DateTime<Utc>,
}

/// The bytes of a COPY, a row or so at a time.
pub type RowStream<'a> = BoxStream<'a, Result<Bytes, Error>>;

/// An export takes as long as it takes, the client bounds it; the compiler for expressions costs more
/// than it saves on rows that are only passed on. Two of these are not known to every version.
pub(super) const SETTINGS: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET jit = off; \
     SELECT set_config('transaction_timeout', '0', false) \
     WHERE current_setting('transaction_timeout', true) IS NOT NULL; \
     SELECT set_config('client_connection_check_interval', '10s', false) \
     WHERE current_setting('client_connection_check_interval', true) IS NOT NULL";

/// How long a replica may take to come up to the primary.
const REPLAY_LIMIT: Duration = Duration::from_secs(30);

impl SourceSession {
    pub(super) async fn open(
        options: &PgConnectOptions,
        control: &Database,
    ) -> Result<Self, Error> {
        let mut connection = connect(options).await?;
        simple(&mut connection, SETTINGS).await?;
        let primary = primary_of(&mut connection, control).await?;
        Ok(Self {
            connection,
            primary,
        })
    }

    /// Begins the snapshot that everything until `finish` reads. On a replica it first waits for
    /// what is committed on the primary now; without that, rows would be absent in silence.
    pub async fn begin(&mut self, project: &ProjectId) -> Result<(), Error> {
        if let Some(primary) = self.primary.clone() {
            self.wait_for_replay(&primary).await?;
        }
        simple(
            &mut self.connection,
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        )
        .await?;
        self.set_project(project).await
    }

    /// Tells the transaction whose messages its statements are about.
    pub(super) async fn set_project(&mut self, project: &ProjectId) -> Result<(), Error> {
        sqlx::query("SELECT set_config($1, $2, true)")
            .bind(PROJECT_SETTING)
            .bind(project.as_str())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// The URLs of the project's endpoints in a direction, if there are at most `limit`.
    ///
    /// Where an operator's view has an id twice, the newest row counts.
    pub async fn endpoint_urls(
        &mut self,
        project: &ProjectId,
        direction: Direction,
        limit: u16,
    ) -> Result<EndpointUrls, Error> {
        let rows = sqlx::query!(
            r#"
            SELECT id::uuid AS "id!", url::text AS "url?"
            FROM (SELECT id, url, created_at FROM endpoints
                  -- The cast is for views whose column is an enum.
                  WHERE project_id = $1 AND direction::text = $2 AND id IS NOT NULL
                  LIMIT $3) few
            ORDER BY created_at NULLS FIRST, url DESC
            "#,
            project.as_str(),
            direction.as_str(),
            i64::from(limit) + 1,
        )
        .fetch_all(&mut self.connection)
        .await?;
        if rows.len() > usize::from(limit) {
            return Ok(EndpointUrls::TooMany);
        }
        Ok(EndpointUrls::All(
            rows.into_iter()
                .map(|row| (row.id, row.url.unwrap_or_default()))
                .collect(),
        ))
    }

    /// The rows of a filter, for a [`Decoder`](super::Decoder). Read the stream to its end, or
    /// drop the session.
    pub async fn rows(
        &mut self,
        filter: &MessageFilter,
        url: UrlColumn,
    ) -> Result<RowStream<'_>, Error> {
        self.slice_rows(filter, Slice::whole(&filter.range), url)
            .await
    }

    /// Those of a part of the filter's time.
    pub(super) async fn slice_rows(
        &mut self,
        filter: &MessageFilter,
        slice: Slice,
        url: UrlColumn,
    ) -> Result<RowStream<'_>, Error> {
        let stream = self
            .connection
            .copy_out_raw(&copy_slice_statement(filter, slice, url))
            .await?;
        Ok(stream.map(|chunk| chunk.map_err(Error::from)).boxed())
    }

    /// How the server would read the rows of a filter, a line for each node of its plan.
    /// `by_index_only`: as if it had nothing but indexes to go by, which shows whether one fits.
    pub async fn plan(
        &mut self,
        filter: &MessageFilter,
        by_index_only: bool,
    ) -> Result<Vec<String>, Error> {
        let others = if by_index_only { "off" } else { "on" };
        let settings = format!(
            "SET LOCAL enable_seqscan = {others}; SET LOCAL enable_bitmapscan = {others}; \
             SET LOCAL enable_sort = {others}"
        );
        sqlx::raw_sql(AssertSqlSafe(settings))
            .execute(&mut self.connection)
            .await?;
        let whole = Slice::whole(&filter.range);
        let select = select_statement(filter, whole, UrlColumn::Known);
        let explain = format!("EXPLAIN (COSTS off) {select}");
        Ok(sqlx::query_scalar(AssertSqlSafe(explain))
            .fetch_all(&mut self.connection)
            .await?)
    }

    /// Some message, for a plan that is about real rows: its project, direction and time; `None`
    /// if there is none. And whether there are but a few.
    pub async fn sample(&mut self) -> Result<(Option<Sample>, bool), Error> {
        let sample = sqlx::query_as!(
            Sample,
            r#"
            SELECT project_id::text AS "project!", direction::text AS "direction!",
                   created_at::timestamptz AS "created_at!"
            FROM messages
            WHERE project_id IS NOT NULL AND direction IS NOT NULL AND isfinite(created_at::timestamptz)
            LIMIT 1
            "#
        )
        .fetch_optional(&mut self.connection)
        .await?;
        let few = sqlx::query_scalar!(
            r#"SELECT count(*) <= 10000 AS "few!" FROM (SELECT FROM messages LIMIT 10001) first"#
        )
        .fetch_one(&mut self.connection)
        .await?;
        Ok((sample, few))
    }

    /// Ends the snapshot and proves that the connection is in step; only then the session can
    /// serve another export.
    pub async fn finish(mut self) -> Result<Self, Error> {
        simple(&mut self.connection, "COMMIT").await?;
        let nonce: i64 = rand::random();
        let echo = sqlx::query_scalar!(r#"SELECT $1::int8 AS "nonce!""#, nonce)
            .fetch_one(&mut self.connection)
            .await?;
        if echo == nonce {
            Ok(self)
        } else {
            Err(Error::Desynchronised)
        }
    }

    async fn wait_for_replay(&mut self, primary: &Database) -> Result<(), Error> {
        // Up to where the log is filled, not only written: with `synchronous_commit = off` a
        // transaction that others see already can still be on its way there.
        let lsn = sqlx::query_scalar!(r#"SELECT pg_current_wal_insert_lsn()::text AS "lsn!""#)
            .fetch_one(&primary.pool)
            .await?;
        let begun = Instant::now();
        let mut pause = Duration::from_millis(5);
        loop {
            let replayed = sqlx::query_scalar!(
                r#"SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, true) AS "replayed!""#,
                lsn,
            )
            .fetch_one(&mut self.connection)
            .await?;
            if replayed {
                return Ok(());
            }
            if begun.elapsed() >= REPLAY_LIMIT {
                return Err(Error::ReplicaBehind {
                    lsn,
                    waited_s: REPLAY_LIMIT.as_secs(),
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

/// The service's own database, if `connection` is to a replica of it.
async fn primary_of(
    connection: &mut PgConnection,
    control: &Database,
) -> Result<Option<Database>, Error> {
    let source = sqlx::query!(
        r#"
        SELECT pg_is_in_recovery() AS "is_replica!",
               (SELECT system_identifier FROM pg_control_system()) AS "cluster!"
        "#
    )
    .fetch_one(&mut *connection)
    .await?;
    if !source.is_replica {
        return Ok(None);
    }
    let cluster = sqlx::query_scalar!(
        r#"SELECT (SELECT system_identifier FROM pg_control_system()) AS "cluster!""#
    )
    .fetch_one(&control.pool)
    .await?;
    if cluster == source.cluster {
        return Ok(Some(control.clone()));
    }
    tracing::warn!(
        "the source is a replica of a cluster that is not the service's own: rows that it has not \
         replayed when an export starts are not in the file"
    );
    Ok(None)
}

async fn simple(connection: &mut PgConnection, statements: &'static str) -> Result<(), Error> {
    sqlx::raw_sql(statements).execute(connection).await?;
    Ok(())
}

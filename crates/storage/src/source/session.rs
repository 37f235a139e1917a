//! A connection of its own that reads one export at a time under one snapshot.
//!
//! It is never a pooled one: dropping a COPY midway, or one that fails at its start, leaves a
//! connection that answers the next question with the previous one's answer (sqlx 0.9.0). Hence
//! [`SourceSession::finish`]: a session serves another export only after it has given back a
//! number nobody else can know. In every other case it is dropped, which closes it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use exports_domain::{Direction, MessageFilter, ProjectId};
use postgres_protocol::escape::escape_literal;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use super::connection::{Connection, CopyRows};
use super::query::{
    End, PROJECT_SETTING, UrlColumn, copy_statement, endpoints_statement, select_statement,
    time_statement,
};
use super::replica::Primary;
use super::slice::{PgTimestamp, Slice, micros_of};
use crate::database::Database;
use crate::error::Error;

/// A session on the source, at rest or reading.
#[derive(Debug)]
pub struct SourceSession {
    connection: Connection,
    /// If this session is on a replica of it.
    primary: Option<Primary>,
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

/// An export takes as long as it takes, the client bounds it; the compiler for expressions costs more
/// than it saves on rows that are only passed on. Two of these are not known to every version.
const SETTINGS: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET jit = off; \
     SELECT set_config('transaction_timeout', '0', false) \
     WHERE current_setting('transaction_timeout', true) IS NOT NULL; \
     SELECT set_config('client_connection_check_interval', '10s', false) \
     WHERE current_setting('client_connection_check_interval', true) IS NOT NULL";

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl SourceSession {
    pub(super) async fn open(
        options: &PgConnectOptions,
        control: &Database,
    ) -> Result<Self, Error> {
        let mut connection = Connection::open(options).await?;
        connection.query(SETTINGS).await?;
        let primary = Primary::of(&mut connection, control).await?;
        Ok(Self {
            connection,
            primary,
        })
    }

    /// Begins the snapshot that everything until `finish` reads. On a replica it first waits for
    /// what is committed on the primary now; without that, rows would be absent in silence.
    pub async fn begin(&mut self, project: &ProjectId) -> Result<(), Error> {
        if let Some(primary) = &self.primary {
            primary.wait_for_replay(&mut self.connection).await?;
        }
        self.begin_by(BEGIN, project).await
    }

    /// Begins with another session's snapshot, if the server still has it.
    pub(super) async fn begin_with(
        &mut self,
        snapshot: &str,
        project: &ProjectId,
    ) -> Result<(), Error> {
        // Before any query, or the server refuses.
        let begin = format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'");
        self.begin_by(&begin, project).await
    }

    /// Tells the transaction whose messages its statements are about.
    async fn begin_by(&mut self, begin: &str, project: &ProjectId) -> Result<(), Error> {
        let project = escape_literal(project.as_str());
        let begin = format!("{begin}; SELECT set_config('{PROJECT_SETTING}', {project}, true)");
        self.connection.query(&begin).await?;
        Ok(())
    }

    /// The URLs of the project's endpoints in a direction, if there are at most `limit`.
    ///
    /// Where an operator's view has an id twice, the newest row counts.
    pub async fn endpoint_urls(
        &mut self,
        direction: Direction,
        limit: u16,
    ) -> Result<EndpointUrls, Error> {
        let statement = endpoints_statement(direction, u32::from(limit) + 1);
        let rows = self.connection.query(&statement).await?;
        if rows.len() > usize::from(limit) {
            return Ok(EndpointUrls::TooMany);
        }
        let mut urls = HashMap::with_capacity(rows.len());
        for row in rows {
            let [id, url] = exactly(row)?;
            let id = id.and_then(|id| id.parse().ok());
            let id = id.ok_or(Error::Desynchronised)?;
            urls.insert(id, url.unwrap_or_default());
        }
        Ok(EndpointUrls::All(urls))
    }

    /// The rows of a filter in a part of its time, for a [`Decoder`](super::Decoder).
    pub async fn rows(
        &mut self,
        filter: &MessageFilter,
        slice: Slice,
        url: UrlColumn,
    ) -> Result<CopyRows<'_>, Error> {
        let statement = copy_statement(filter, slice, url);
        self.connection.copy(&statement).await
    }

    /// When the first message of a slice was created.
    pub async fn first_time(
        &mut self,
        filter: &MessageFilter,
        slice: Slice,
    ) -> Result<Option<PgTimestamp>, Error> {
        self.time(&time_statement(filter, slice, End::First, 0))
            .await
    }

    /// The time that a `time_statement` asks for.
    pub(super) async fn time(&mut self, statement: &str) -> Result<Option<PgTimestamp>, Error> {
        let time = self.connection.value(statement).await?;
        time.map(|time| PgTimestamp::parse(&time)).transpose()
    }

    /// The first value of an answer.
    pub(super) async fn value(&mut self, statement: &str) -> Result<Option<String>, Error> {
        self.connection.value(statement).await
    }

    /// How the server would run a statement, a line for each node of its plan.
    pub(super) async fn explain(&mut self, statement: &str) -> Result<Vec<String>, Error> {
        let explain = format!("EXPLAIN (COSTS off) {statement}");
        let rows = self.connection.query(&explain).await?;
        let line = |row| exactly(row).map(|[line]| line.unwrap_or_default());
        rows.into_iter().map(line).collect()
    }

    /// How the server would read the rows of a filter. `by_index_only`: as if it had nothing but
    /// indexes to go by, which shows whether one fits.
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
        self.connection.query(&settings).await?;
        let whole = Slice::whole(&filter.range);
        self.explain(&select_statement(filter, whole, UrlColumn::Known))
            .await
    }

    /// Some message, for a plan that is about real rows: its project, direction and time; `None`
    /// if there is none. And whether there are but a few.
    pub async fn sample(&mut self) -> Result<(Option<Sample>, bool), Error> {
        let statement = format!(
            "SELECT project_id::text, direction::text, {} FROM messages \
             WHERE project_id IS NOT NULL AND direction IS NOT NULL AND isfinite(created_at::timestamptz) \
             LIMIT 1",
            micros_of("created_at")
        );
        let row = self.connection.query(&statement).await?.pop();
        let sample = row.map(|row| {
            let [Some(project), Some(direction), Some(created_at)] = exactly(row)? else {
                return Err(Error::Desynchronised);
            };
            let created_at = PgTimestamp::parse(&created_at)?.to_utc();
            Ok(Sample {
                project,
                direction,
                created_at: created_at.ok_or(Error::Desynchronised)?,
            })
        });
        let few = "SELECT count(*) <= 10000 FROM (SELECT FROM messages LIMIT 10001) first";
        let few = self.connection.is_true(few).await?;
        Ok((sample.transpose()?, few))
    }

    /// Ends the snapshot and proves that the connection is in step; only then the session can
    /// serve another export.
    pub async fn finish(mut self) -> Result<Self, Error> {
        self.connection.query("COMMIT").await?;
        let nonce = rand::random::<u64>().to_string();
        let echo = self
            .connection
            .value(&format!("SELECT {nonce} AS nonce"))
            .await?;
        if echo == Some(nonce) {
            Ok(self)
        } else {
            Err(Error::Desynchronised)
        }
    }
}

/// A row of as many values as the statement has columns.
fn exactly<const N: usize>(row: Vec<Option<String>>) -> Result<[Option<String>; N], Error> {
    row.try_into().map_err(|_| Error::Desynchronised)
}

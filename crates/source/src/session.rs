//! A connection of its own that reads one export at a time under one snapshot.
//!
//! It is never a pooled one: dropping a COPY midway, or one that fails at its start, leaves a
//! connection that answers the next question with the previous one's answer (sqlx 0.9.0). Hence
//! [`SourceSession::finish`]: a session serves another export only after it has given back a
//! number nobody else can know. In every other case it is dropped, which closes it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use exports_domain::{Direction, MessageFilter, PgTimestamp, ProjectId};
use uuid::Uuid;

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::replica::Primary;
use crate::settings::{self, RefusedSetting, RowSecurity};
use crate::statements::{End, Query, UrlColumn, endpoints_statement};
use crate::time_slice::{TimeSlice, micros_of, parse_micros};
use crate::transaction::Held;
use exports_postgres::Client;
use exports_postgres::{CopyStream, WireConnection};

/// A session on the source, at rest or reading.
#[derive(Debug)]
pub struct SourceSession {
    pub(crate) connection: WireConnection,
    /// If this session is on a replica of it.
    pub(crate) primary: Option<Primary>,
    pub(crate) catalogue: Arc<Catalogue>,
    refused_settings: Vec<RefusedSetting>,
    pub(crate) locks_refused: bool,
    /// Whose messages the transaction is about, while there is one.
    pub(crate) project: Option<ProjectId>,
    /// What the planner has locked for a filter, where locks by name do not cover it.
    pub(crate) held: Option<(MessageFilter, Held)>,
    /// It has served an export before.
    pub(crate) is_kept: bool,
    opened_at: Instant,
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

impl SourceSession {
    pub(crate) async fn open(
        client: &Client,
        primary: &Client,
        row_security: RowSecurity,
    ) -> Result<Self, Error> {
        let mut connection = client.open_wire().await?;
        let refused_settings = settings::apply(&mut connection, row_security).await?;
        let primary = Primary::of(&mut connection, primary).await?;
        let catalogue = Catalogue::read(&mut connection).await?;
        Ok(Self {
            connection,
            primary,
            catalogue: Arc::new(catalogue),
            refused_settings,
            locks_refused: false,
            project: None,
            held: None,
            is_kept: false,
            opened_at: Instant::now(),
        })
    }

    /// What is known of the relations.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The settings that the server refused.
    #[must_use]
    pub fn refused_settings(&self) -> &[RefusedSetting] {
        &self.refused_settings
    }

    /// Whether the server refuses to lock the relations.
    #[must_use]
    pub fn are_locks_refused(&self) -> bool {
        self.locks_refused
    }

    /// The statements for a filter of the project that the session has begun for.
    pub(crate) fn query<'a>(&'a self, filter: &'a MessageFilter) -> Result<Query<'a>, Error> {
        let project = self.project.as_ref().ok_or(Error::NotBegun)?;
        Ok(Query::new(project, filter, &self.catalogue))
    }

    /// The URLs of the project's endpoints in a direction, if there are at most `limit`.
    ///
    /// Where an operator's view has an id twice, the newest row counts.
    pub async fn endpoint_urls(
        &mut self,
        direction: Direction,
        limit: u16,
    ) -> Result<EndpointUrls, Error> {
        let project = self.project.as_ref().ok_or(Error::NotBegun)?;
        let statement =
            endpoints_statement(&self.catalogue, project, direction, u32::from(limit) + 1);
        let rows = self.connection.query(&statement).await?;
        if rows.len() > usize::from(limit) {
            return Ok(EndpointUrls::TooMany);
        }
        let mut urls = HashMap::with_capacity(rows.len());
        for row in rows {
            let [id, url] = exactly(row)?;
            let id = id.and_then(|id| id.parse().ok());
            let id = id.ok_or(Error::UnexpectedAnswer("the endpoints query"))?;
            urls.insert(id, url.unwrap_or_default());
        }
        Ok(EndpointUrls::All(urls))
    }

    /// The rows of a filter in a part of its time, for a [`Decoder`](super::Decoder).
    pub async fn rows(
        &mut self,
        filter: &MessageFilter,
        slice: TimeSlice,
        url: UrlColumn,
    ) -> Result<CopyStream<'_>, Error> {
        let statement = self.query(filter)?.copy(slice, url);
        Ok(self.connection.copy(&statement).await?)
    }

    /// When the first message of a slice was created.
    pub async fn first_time(
        &mut self,
        filter: &MessageFilter,
        slice: TimeSlice,
    ) -> Result<Option<PgTimestamp>, Error> {
        let statement = self.query(filter)?.time(slice, End::First, 0);
        self.time(&statement).await
    }

    /// The time that a `time_statement` asks for.
    pub(crate) async fn time(&mut self, statement: &str) -> Result<Option<PgTimestamp>, Error> {
        let time = self.connection.value(statement).await?;
        time.map(|time| parse_micros(&time)).transpose()
    }

    /// The first value of an answer.
    pub(crate) async fn value(&mut self, statement: &str) -> Result<Option<String>, Error> {
        Ok(self.connection.value(statement).await?)
    }

    /// How the server would run a statement, a line for each node of its plan.
    pub(crate) async fn explain(&mut self, statement: &str) -> Result<Vec<String>, Error> {
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
        let whole = TimeSlice::whole(&filter.range);
        let select = self.query(filter)?.select(whole, UrlColumn::Known);
        self.explain(&select).await
    }

    /// Has the server plan every statement of an export, without reading anything.
    pub async fn try_statements(&mut self, filter: &MessageFilter) -> Result<(), Error> {
        let whole = TimeSlice::whole(&filter.range);
        let query = self.query(filter)?;
        let statements = [
            query.select(whole, UrlColumn::Known),
            query.select(whole, UrlColumn::Joined),
            query.time(whole, End::First, 0),
            query.time(whole, End::Last, 0),
            endpoints_statement(&self.catalogue, query.project(), filter.direction, 1),
        ];
        for statement in statements {
            self.explain(&statement).await?;
        }
        Ok(())
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
                return Err(Error::UnexpectedAnswer("the sample query"));
            };
            let created_at = parse_micros(&created_at)?.to_utc();
            Ok(Sample {
                project,
                direction,
                created_at: created_at.ok_or(Error::UnexpectedAnswer("the sample query"))?,
            })
        });
        let few = "SELECT count(*) <= 10000 FROM (SELECT FROM messages LIMIT 10001) first";
        let few = self.connection.is_true(few).await?;
        Ok((sample.transpose()?, few))
    }

    /// How long ago the session was opened.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }

    /// Ends the snapshot and proves that the connection is in step; only then the session can
    /// serve another export.
    pub async fn finish(mut self) -> Result<Self, Error> {
        // `confirm` may have done so.
        if self.project.is_some() {
            self.in_step("COMMIT").await?;
        }
        self.is_kept = true;
        Ok(self)
    }
}

/// A row of as many values as the statement has columns.
pub(crate) fn exactly<const N: usize>(
    row: Vec<Option<String>>,
) -> Result<[Option<String>; N], Error> {
    row.try_into()
        .map_err(|_| Error::UnexpectedAnswer("a query, with another number of columns"))
}

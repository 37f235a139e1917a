//! A connection that reads one export at a time, under one snapshot.
//!
//! It is not a pooled sqlx connection: if a COPY is dropped in the middle, such a connection returns
//! the old answer for the next statement (sqlx 0.9.0). A session serves another export only after
//! [`SourceSession::finish`] has verified with a nonce that it is in sync. Otherwise it is closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use exports_domain::{Column, Direction, MessageFilter, PgTimestamp, ProjectId};
use exports_postgres::{Client, TextRow};

use crate::catalogue::{Catalogue, RelationOids};
use crate::connection::{SourceConnection, SourceRows};
use crate::endpoint_urls::EndpointUrls;
use crate::error::Error;
use crate::replica::Primary;
use crate::row::values;
use crate::settings::{self, RefusedSetting, RowSecurity};
use crate::statements::{End, Statements, UrlColumn, endpoints_statement};
use crate::time_slice::{TimeSlice, parse_micros};
use crate::watchdog::WorkingTime;

/// A session on the source.
#[derive(Debug)]
pub struct SourceSession {
    pub(crate) connection: SourceConnection,
    /// Its primary, if the server is a replica of the service's database.
    pub(crate) primary: Option<Primary>,
    pub(crate) catalogue: Arc<Catalogue>,
    refused_settings: Vec<RefusedSetting>,
    /// Whether the server refuses to lock the relations.
    pub(crate) locks_refused: bool,
    /// The project whose messages the transaction reads. `None`: no transaction.
    pub(crate) project: Option<ProjectId>,
    /// A filter and the relations that the planner locked for it, if locks by name do not cover them.
    pub(crate) planned: Option<(MessageFilter, RelationOids)>,
    /// When the snapshot of the transaction was taken.
    pub(crate) snapshot_at: Option<DateTime<Utc>>,
    /// Whether it has served another export.
    pub(crate) is_reused: bool,
    opened_at: Instant,
}

impl SourceSession {
    pub(crate) async fn open(
        client: &Client,
        primary: &Client,
        row_security: RowSecurity,
        stall_timeout: Duration,
    ) -> Result<Self, Error> {
        let mut connection = SourceConnection::open(client, stall_timeout).await?;
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
            planned: None,
            snapshot_at: None,
            is_reused: false,
            opened_at: Instant::now(),
        })
    }

    /// The definitions of the relations.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The settings that the server refused.
    #[must_use]
    pub fn refused_settings(&self) -> &[RefusedSetting] {
        &self.refused_settings
    }

    /// When the snapshot of the transaction was taken, by the clock of the server: what was committed later is not
    /// in it. `None` if the session has begun none of its own.
    #[must_use]
    pub fn snapshot_at(&self) -> Option<DateTime<Utc>> {
        self.snapshot_at
    }

    /// The statements for a filter in the project of the transaction.
    pub(crate) fn statements<'a>(
        &'a self,
        filter: &'a MessageFilter,
    ) -> Result<Statements<'a>, Error> {
        let project = self.project.as_ref().ok_or(Error::NotBegun)?;
        Ok(Statements::new(project, filter, &self.catalogue))
    }

    /// Reads the URLs of the project's endpoints in a direction, if there are at most `limit` and they
    /// have at most 4 MiB together. The server measures them, so larger ones are never sent.
    ///
    /// If an operator's view has an id twice, the newest row counts.
    pub async fn endpoint_urls(
        &mut self,
        direction: Direction,
        limit: u16,
    ) -> Result<EndpointUrls, Error> {
        let statement = self.endpoint_urls_statement(direction, limit)?;
        EndpointUrls::of(self.connection.query(&statement).await?)
    }

    pub(crate) fn endpoint_urls_statement(
        &self,
        direction: Direction,
        limit: u16,
    ) -> Result<String, Error> {
        let project = self.project.as_ref().ok_or(Error::NotBegun)?;
        let (catalogue, limit) = (&self.catalogue, limit.into());
        Ok(endpoints_statement(catalogue, project, direction, limit))
    }

    /// Streams these columns of the rows of a filter in a time slice, for a [`Decoder`](super::Decoder). With
    /// [`UrlColumn::Joined`], each row has its endpoint's URL. `working` counts the time in which the
    /// server works without sending rows.
    pub async fn rows(
        &mut self,
        filter: &MessageFilter,
        slice: TimeSlice,
        columns: &[Column],
        url: UrlColumn,
        working: &WorkingTime,
    ) -> Result<SourceRows<'_>, Error> {
        let statement = self.statements(filter)?.copy(slice, columns, url);
        self.connection.copy(&statement, working).await
    }

    /// The creation time of the first message of a slice.
    pub async fn first_time(
        &mut self,
        filter: &MessageFilter,
        slice: TimeSlice,
    ) -> Result<Option<PgTimestamp>, Error> {
        let statement = self.statements(filter)?.time(slice, End::First, 0);
        self.time(&statement).await
    }

    /// The result of [`Statements::time`].
    pub(crate) async fn time(&mut self, statement: &str) -> Result<Option<PgTimestamp>, Error> {
        let time = self.connection.value(statement).await?;
        time.map(|time| parse_micros(&time)).transpose()
    }

    /// The query plan of a statement, one line per node.
    pub(crate) async fn explain(&mut self, statement: &str) -> Result<Vec<String>, Error> {
        let rows = self.connection.query(&explain(statement)).await?;
        plan_of(rows)
    }

    /// The time since the session was opened.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }

    /// Closes the session, whose connection may be lost.
    pub(crate) fn abandon(self) {
        self.connection.abandon();
    }

    /// Ends the transaction and verifies that the connection is in sync. After that the session can
    /// serve another export.
    pub async fn finish(mut self) -> Result<Self, Error> {
        // `commit_if_unchanged` may have ended the transaction.
        if self.project.is_some() {
            self.end_transaction("COMMIT").await?;
        }
        self.is_reused = true;
        Ok(self)
    }
}

/// The statement whose result [`plan_of`] reads.
pub(crate) fn explain(statement: &str) -> String {
    format!("EXPLAIN (COSTS off) {statement}")
}

/// The lines of a query plan.
pub(crate) fn plan_of(rows: Vec<TextRow>) -> Result<Vec<String>, Error> {
    let line = |row| values(row).map(|[line]| line.unwrap_or_default());
    rows.into_iter().map(line).collect()
}

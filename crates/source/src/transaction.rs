//! Begins and ends the transaction of a session, so that a file has one state of the source.
//!
//! A snapshot alone is not sufficient: `TRUNCATE`, table rewrites, swapped tables and exchanged
//! partitions are not MVCC-safe. An export with a snapshot older than such a change, which then waits
//! for its lock, would read an empty or incomplete table. So the transaction locks first and takes its
//! snapshot afterwards. Locks by name do not cover partitions, the relations below a view of them, and
//! materialized views. The planner locks these after the snapshot (see `planned_relations`); if the
//! catalogue shows a change between the two, the transaction begins again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use exports_domain::{MessageFilter, ProjectId};
use exports_postgres::TextRow;

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::excluded_rows;
use crate::replica::{REPLAY_LIMIT, REUSED_REPLAY_LIMIT};
use crate::row::values;
use crate::session::SourceSession;
use crate::snapshot::SnapshotId;
use crate::statements::{Statements, UrlColumn};
use crate::time_slice::{TimeSlice, micros_of, parse_micros};

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// How often a transaction begins. It begins again only if a relation has changed.
const MAX_BEGINS: usize = 5;
const NO_IDENTITY: Error = Error::UnexpectedAnswer("the identity query");

impl SourceSession {
    /// Begins the snapshot for the messages of a filter; [`Self::finish`] ends it. On a replica it
    /// first waits until everything that is committed on the primary is replayed. A reused session
    /// waits only a short time: after [`Error::ReplicaBehind`] or [`Error::Promoted`], open a new one.
    pub async fn begin_reading(
        &mut self,
        project: &ProjectId,
        filter: &MessageFilter,
    ) -> Result<(), Error> {
        for _ in 0..MAX_BEGINS {
            self.begin(project).await?;
            if self.lock_planned_relations(project, filter).await? {
                return Ok(());
            }
            self.roll_back().await?;
        }
        Err(changed("a relation below messages or endpoints"))
    }

    /// Like [`Self::begin_reading`], but does not lock the relations below `messages` and `endpoints`.
    pub async fn begin(&mut self, project: &ProjectId) -> Result<(), Error> {
        if let Some(primary) = &self.primary {
            let limit = if self.is_reused {
                REUSED_REPLAY_LIMIT
            } else {
                REPLAY_LIMIT
            };
            primary.wait_for_replay(&mut self.connection, limit).await?;
        }
        for _ in 0..MAX_BEGINS {
            let is_refused = match self.try_begin().await {
                Ok(true) => {
                    self.project = Some(project.clone());
                    return self.check_readable();
                }
                Ok(false) => false,
                Err(error) if self.may_be_refused_lock(&error) => {
                    tracing::debug!(%error, "the source refuses to lock its relations");
                    true
                }
                Err(error) => return Err(error),
            };
            self.roll_back().await?;
            let now = Catalogue::read(&mut self.connection).await?;
            // If nothing has changed, the role may not lock: continue without locks.
            self.locks_refused |= is_refused && now == *self.catalogue;
            self.catalogue = Arc::new(now);
        }
        Err(changed("messages or endpoints"))
    }

    /// Joins the snapshot of another session, which holds the locks. This session locks with `NOWAIT`.
    /// Waiting would be a deadlock: a transaction that waits for the other session's locks is ahead in
    /// the lock queue, and the other session waits for this one.
    pub(crate) async fn begin_joined(
        &mut self,
        snapshot: &SnapshotId,
        project: &ProjectId,
    ) -> Result<(), Error> {
        self.snapshot_at = None;
        self.catalogue = Arc::clone(&snapshot.catalogue);
        self.locks_refused = snapshot.locks_refused;
        // The server accepts the snapshot only before the first query.
        let mut statements = vec![
            BEGIN.to_owned(),
            format!("SET TRANSACTION SNAPSHOT '{}'", snapshot.id),
        ];
        if let Some(lock) = self.lock_statement() {
            statements.push(format!("{lock} NOWAIT"));
        }
        if let Some(filter) = &snapshot.planned_filter {
            let select = Statements::new(project, filter, &self.catalogue)
                .select(TimeSlice::whole(&filter.range), UrlColumn::Joined);
            statements.push("SET LOCAL lock_timeout = '100ms'".to_owned());
            statements.push(format!("EXPLAIN {select}"));
        }
        self.connection.query(&statements.join("; ")).await?;
        self.project = Some(project.clone());
        Ok(())
    }

    /// Locks, and then takes the snapshot. Returns `false` if the catalogue has changed.
    async fn try_begin(&mut self) -> Result<bool, Error> {
        let lock = self.lock_statement();
        let is_plain = self.catalogue.are_plain_tables();
        // The first query takes the snapshot. The clock is read afterwards.
        let clock = format!("SELECT {}", micros_of("clock_timestamp()"));
        let mut statements = vec![BEGIN];
        statements.extend(lock.as_deref());
        statements.push(&clock);
        if is_plain {
            statements.push(Catalogue::identity_statement());
        }
        let statements = statements.join("; ");
        let mut rows = self.connection.query(&statements).await?;
        if is_plain {
            let [identity] = values(rows.pop().ok_or(NO_IDENTITY)?)?;
            self.snapshot_at = clock_of(rows)?;
            return Ok(identity == Some(self.catalogue.identity()));
        }
        self.snapshot_at = clock_of(rows)?;
        if self.catalogue.is_unknown() {
            return Ok(true);
        }
        let now = Catalogue::query(&mut self.connection).await?;
        self.catalogue = Arc::new(now);
        Ok(self.lock_statement() == lock)
    }

    fn may_be_refused_lock(&self, error: &Error) -> bool {
        error.is_refused() && !error.is_transient() && self.lock_statement().is_some()
    }

    /// Whether the relations cannot be locked by name, so that the planner must lock them.
    pub(crate) fn locks_are_refused(&self) -> bool {
        self.locks_refused || !self.catalogue.allows_locks()
    }

    fn lock_statement(&self) -> Option<String> {
        (!self.locks_are_refused())
            .then(|| self.catalogue.lock_statement())
            .flatten()
    }

    /// Checks the catalogue for what makes the source unreadable.
    fn check_readable(&self) -> Result<(), Error> {
        if let Some(relation) = self.catalogue.initial_copies.first() {
            return Err(Error::InitialCopy {
                relation: relation.clone(),
            });
        }
        match self.catalogue.unsuitable_columns().as_slice() {
            [] => Ok(()),
            lines => Err(Error::UnsuitableColumns(lines.join("; "))),
        }
    }

    /// Commits. Returns an error if the relations have changed since the snapshot: a partition was
    /// attached, or the names mean other relations now.
    pub async fn commit_if_unchanged(&mut self) -> Result<(), Error> {
        if self.is_locked_by_name() {
            let statements = [Catalogue::identity_statement(), "COMMIT"].join("; ");
            let rows = self.end_transaction(&statements).await?;
            self.check_identity(rows).map(drop)?;
            return Ok(());
        }
        if let (Some((filter, planned)), Some(project)) =
            (self.planned.take(), self.project.clone())
        {
            let now = self.planned_relations(&project, &filter).await?;
            if now.is_none_or(|now| now != planned) {
                return Err(changed("a relation below messages or endpoints"));
            }
        }
        self.end_transaction("COMMIT").await?;
        let now = Catalogue::read(&mut self.connection).await?;
        if now == *self.catalogue {
            Ok(())
        } else {
            Err(changed("messages, endpoints, or a relation below them"))
        }
    }

    /// [`Self::check_excluded_rows`] and [`Self::commit_if_unchanged`], where possible in one round trip.
    pub async fn check_and_commit(&mut self, filter: &MessageFilter) -> Result<(), Error> {
        if !self.is_locked_by_name() {
            self.check_excluded_rows(filter).await?;
            return self.commit_if_unchanged().await;
        }
        let excluded = self.excluded_rows_statement(filter)?;
        let statements = [&excluded, Catalogue::identity_statement(), "COMMIT"].join("; ");
        let rows = self.end_transaction(&statements).await?;
        match self.check_identity(rows)?.pop() {
            Some(row) => Err(excluded_rows::excluded(row, filter)?),
            None => Ok(()),
        }
    }

    fn is_locked_by_name(&self) -> bool {
        self.catalogue.are_plain_tables() && !self.locks_are_refused()
    }

    /// Returns the other rows, if the last one has the identity of the relations.
    fn check_identity(&self, mut rows: Vec<TextRow>) -> Result<Vec<TextRow>, Error> {
        let [identity] = values(rows.pop().ok_or(NO_IDENTITY)?)?;
        if identity == Some(self.catalogue.identity()) {
            Ok(rows)
        } else {
            Err(changed("messages or endpoints"))
        }
    }

    /// Runs statements that end the transaction, and verifies with a nonce that the connection is in
    /// sync. Returns the rows of the statements.
    pub(crate) async fn end_transaction(
        &mut self,
        statements: &str,
    ) -> Result<Vec<TextRow>, Error> {
        let nonce = rand::random::<u64>().to_string();
        let statements = format!("{statements}; SELECT {nonce} AS nonce");
        let mut rows = self.connection.query(&statements).await?;
        let echo = rows.pop().and_then(|row| row.into_iter().next().flatten());
        if echo != Some(nonce) {
            return Err(Error::OutOfSync);
        }
        self.project = None;
        Ok(rows)
    }

    async fn roll_back(&mut self) -> Result<(), Error> {
        self.project = None;
        self.connection.query("ROLLBACK").await?;
        Ok(())
    }
}

/// The time in the only row.
fn clock_of(rows: Vec<TextRow>) -> Result<Option<DateTime<Utc>>, Error> {
    const NO_TIME: Error = Error::UnexpectedAnswer("a query for the time of the snapshot");
    let row = rows.into_iter().next().ok_or(NO_TIME)?;
    let [micros] = values(row)?;
    Ok(parse_micros(&micros.ok_or(NO_TIME)?)?.to_utc())
}

fn changed(what: &str) -> Error {
    Error::Changed {
        what: what.to_owned(),
    }
}

//! How a session's transaction begins and ends, so that its file is of one state of the source.
//!
//! A snapshot alone is not enough: `TRUNCATE`, rewrites of a table, and tables or partitions that
//! take another's place are not part of it. An export whose snapshot is older than such a change,
//! and which then waits for its lock, would find an empty or half a table. Hence locks first, the
//! snapshot after them. Where a lock by name does not cover what is read (partitions, what is below
//! a view of them, a materialized view), the planner locks it after the snapshot: then the
//! catalogue tells whether it was changed between the two, and the transaction begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use exports_domain::{MessageFilter, ProjectId};
use postgres_protocol::escape::escape_literal;

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::planned_relations::relations_of;
use crate::replica::{KEPT_LIMIT, REPLAY_LIMIT};
use crate::session::{SourceSession, exactly};
use crate::snapshot::SnapshotId;
use crate::statements::{Query, UrlColumn};
use crate::time_slice::TimeSlice;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// How often a transaction begins anew: each time, somebody has changed a relation meanwhile.
const MOST_BEGINNINGS: usize = 5;
const NO_IDENTITY: Error = Error::UnexpectedAnswer("the identity query");
/// How long a lock may keep an export waiting before the log says so.
const LONG_WAIT: Duration = Duration::from_secs(10);

/// The relations that a plan reads, and which they are: by their names, their oids.
pub(crate) type Held = BTreeMap<String, String>;

impl SourceSession {
    /// Begins the snapshot that everything until `finish` reads, for the messages of a filter. On a
    /// replica it first waits for what is committed on the primary now; without that, rows would be
    /// absent in silence. A session that has served another export before waits a short time: after
    /// [`Error::ReplicaBehind`] and [`Error::Promoted`], open a new one.
    pub async fn begin_reading(
        &mut self,
        project: &ProjectId,
        filter: &MessageFilter,
    ) -> Result<(), Error> {
        for _ in 0..MOST_BEGINNINGS {
            self.begin(project).await?;
            if self.hold(project, filter).await? {
                return Ok(());
            }
            self.roll_back().await?;
        }
        Err(changed("a relation below messages or endpoints"))
    }

    /// The same without a filter: what is below the relations is not looked at.
    pub async fn begin(&mut self, project: &ProjectId) -> Result<(), Error> {
        if let Some(primary) = &self.primary {
            let limit = if self.is_kept {
                KEPT_LIMIT
            } else {
                REPLAY_LIMIT
            };
            primary.wait_for_replay(&mut self.connection, limit).await?;
        }
        for _ in 0..MOST_BEGINNINGS {
            let is_refused = match self.begin_once().await {
                Ok(true) => {
                    self.project = Some(project.clone());
                    return self.check_readable();
                }
                Ok(false) => false,
                Err(error) if self.may_be_a_refused_lock(&error) => {
                    tracing::debug!(%error, "the source refuses to lock its relations");
                    true
                }
                Err(error) => return Err(error),
            };
            self.roll_back().await?;
            let now = Catalogue::read(&mut self.connection).await?;
            // Refused although nothing has changed: it goes on without locks.
            self.locks_refused |= is_refused && now == *self.catalogue;
            self.catalogue = Arc::new(now);
        }
        Err(changed("messages or endpoints"))
    }

    /// Joins a snapshot of another session, which has the locks. This one takes its own without
    /// waiting for them: whoever waits for the other session's end, to rewrite a table, is before it in
    /// the queue, and the other session waits for this one.
    pub(crate) async fn begin_with(
        &mut self,
        snapshot: &SnapshotId,
        project: &ProjectId,
    ) -> Result<(), Error> {
        self.catalogue = Arc::clone(&snapshot.catalogue);
        self.locks_refused = snapshot.locks_refused;
        // Before any query, or the server refuses.
        let mut statements = vec![
            BEGIN.to_owned(),
            format!("SET TRANSACTION SNAPSHOT '{}'", snapshot.id),
        ];
        if let Some(lock) = self.lock_statement() {
            statements.push(format!("{lock} NOWAIT"));
        }
        if let Some(filter) = &snapshot.held_for {
            let query = Query::new(project, filter, &self.catalogue);
            let select = query.select(TimeSlice::whole(&filter.range), UrlColumn::Joined);
            statements.push("SET LOCAL lock_timeout = '100ms'".to_owned());
            statements.push(format!("EXPLAIN {select}"));
        }
        self.connection.query(&statements.join("; ")).await?;
        self.project = Some(project.clone());
        Ok(())
    }

    /// Locks, and then takes the snapshot. `false`: the catalogue is not as it was.
    async fn begin_once(&mut self) -> Result<bool, Error> {
        let lock = self.lock_statement();
        let is_plain = self.catalogue.are_plain_tables();
        let mut statements = vec![BEGIN];
        statements.extend(lock.as_deref());
        if is_plain {
            statements.push(Catalogue::identity_statement());
        }
        let statements = statements.join("; ");
        let asked = self.connection.query(&statements);
        let mut rows = logged_if_long(asked).await?;
        if is_plain {
            let [identity] = exactly(rows.pop().ok_or(NO_IDENTITY)?)?;
            return Ok(identity == Some(self.catalogue.identity()));
        }
        if self.catalogue.is_unknown() {
            return Ok(true);
        }
        let now = Catalogue::query(&mut self.connection).await?;
        self.catalogue = Arc::new(now);
        Ok(self.lock_statement() == lock)
    }

    fn may_be_a_refused_lock(&self, error: &Error) -> bool {
        error.is_refused() && !error.is_transient() && self.lock_statement().is_some()
    }

    fn lock_statement(&self) -> Option<String> {
        (!self.locks_refused)
            .then(|| self.catalogue.lock_statement())
            .flatten()
    }

    /// Whether the source can be read at all, as far as the catalogue tells.
    fn check_readable(&self) -> Result<(), Error> {
        if let Some(relation) = self.catalogue.copying.first() {
            return Err(Error::Copying {
                relation: relation.clone(),
            });
        }
        match self.catalogue.unsuitable_columns().as_slice() {
            [] => Ok(()),
            lines => Err(Error::UnsuitableColumns(lines.join("; "))),
        }
    }

    /// Has the planner lock what the filter's messages are read from, and tells whether it is as the
    /// snapshot has it.
    async fn hold(&mut self, project: &ProjectId, filter: &MessageFilter) -> Result<bool, Error> {
        self.held = None;
        if self.catalogue.locks_cover_all() && !self.locks_refused {
            return Ok(true);
        }
        let held = self.planned(project, filter).await?;
        if held.is_none() {
            tracing::info!("a relation was changed when the export began: it begins anew");
        }
        self.held = held.map(|held| (filter.clone(), held));
        Ok(self.held.is_some())
    }

    /// The relations that a plan for the filter reads. `None`: one was changed since the snapshot.
    async fn planned(
        &mut self,
        project: &ProjectId,
        filter: &MessageFilter,
    ) -> Result<Option<Held>, Error> {
        let query = Query::new(project, filter, &self.catalogue);
        let select = query.select(TimeSlice::whole(&filter.range), UrlColumn::Joined);
        let explain = format!("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {select}");
        let plan = logged_if_long(self.connection.query(&explain)).await?;
        let names = relations_of(&plan)?;
        if names.is_empty() {
            return Ok(Some(Held::new()));
        }
        let names: Vec<_> = names
            .iter()
            .map(|name| format!("({})", escape_literal(name)))
            .collect();
        // A function asks the catalogue as it is now, the query as the snapshot has it.
        let located = format!(
            "SELECT n.name, c.oid FROM (VALUES {}) n (name) JOIN pg_class c ON c.oid = to_regclass(n.name) \
             WHERE c.relfilenode = coalesce(pg_relation_filenode(c.oid), c.relfilenode)",
            names.join(", ")
        );
        let mut held = Held::new();
        for row in self.connection.query(&located).await? {
            let [name, oid] = exactly(row)?.map(Option::unwrap_or_default);
            held.insert(name, oid);
        }
        Ok((held.len() == names.len()).then_some(held))
    }

    /// Ends the snapshot. An error, if what was read is not what the snapshot began with: a partition
    /// was attached meanwhile, or the names have come to mean other relations.
    pub async fn confirm(&mut self) -> Result<(), Error> {
        if self.catalogue.are_plain_tables() && !self.locks_refused {
            let asked = [Catalogue::identity_statement(), "COMMIT"].join("; ");
            let identity = self.in_step(&asked).await?.into_iter().next();
            let [identity] = exactly(identity.ok_or(NO_IDENTITY)?)?;
            return if identity == Some(self.catalogue.identity()) {
                Ok(())
            } else {
                Err(changed("messages or endpoints"))
            };
        }
        if let (Some((filter, held)), Some(project)) = (self.held.take(), self.project.clone()) {
            let now = self.planned(&project, &filter).await?;
            if now.is_none_or(|now| now != held) {
                return Err(changed("a relation below messages or endpoints"));
            }
        }
        self.in_step("COMMIT").await?;
        let now = Catalogue::read(&mut self.connection).await?;
        if now == *self.catalogue {
            Ok(())
        } else {
            Err(changed("messages, endpoints, or a relation below them"))
        }
    }

    /// Runs statements that end the transaction, and proves that the connection is in step with what
    /// it is asked. Gives their rows.
    pub(crate) async fn in_step(
        &mut self,
        statements: &str,
    ) -> Result<Vec<exports_postgres::TextRow>, Error> {
        let nonce = rand::random::<u64>().to_string();
        let asked = format!("{statements}; SELECT {nonce} AS nonce");
        let mut rows = self.connection.query(&asked).await?;
        let echo = rows.pop().and_then(|row| row.into_iter().next().flatten());
        if echo != Some(nonce) {
            return Err(Error::OutOfStep);
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

fn changed(what: &str) -> Error {
    Error::Changed {
        what: what.to_owned(),
    }
}

/// Says so in the log if it takes long.
async fn logged_if_long<T>(asked: impl Future<Output = T>) -> T {
    let mut asked = std::pin::pin!(asked);
    if let Ok(answer) = tokio::time::timeout(LONG_WAIT, &mut asked).await {
        return answer;
    }
    tracing::warn!(
        "the source does not answer yet: another transaction may hold a lock on messages or endpoints"
    );
    asked.await
}

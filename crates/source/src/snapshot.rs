//! One snapshot for several sessions: one session exports it, others join.

use std::sync::Arc;

use exports_domain::{MessageFilter, ProjectId};

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::session::SourceSession;

/// An exported snapshot. Sessions can join it until the transaction that exported it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotId {
    pub(crate) id: String,
    /// The relations as the exporting session knows them.
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) locks_refused: bool,
    /// The filter that the planner has locked relations for, if locks by name do not cover them.
    pub(crate) planned_filter: Option<MessageFilter>,
}

impl SourceSession {
    /// Exports the snapshot of the transaction, so that other sessions can join it.
    pub async fn export_snapshot(&mut self) -> Result<SnapshotId, Error> {
        let id = self.connection.value("SELECT pg_export_snapshot()").await?;
        let id = id.unwrap_or_default();
        // The id becomes part of a statement that cannot have parameters.
        let is_allowed = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        if id.is_empty() || !id.bytes().all(is_allowed) {
            return Err(Error::UnexpectedAnswer("pg_export_snapshot()"));
        }
        Ok(SnapshotId {
            id,
            catalogue: Arc::clone(&self.catalogue),
            locks_refused: self.locks_refused,
            planned_filter: self.planned.as_ref().map(|(filter, _)| filter.clone()),
        })
    }

    /// Joins another session's snapshot. Fails if the other transaction has ended, if the session is
    /// on another server behind the same address, or if a third transaction waits for a lock on the
    /// relations.
    pub async fn join(&mut self, project: &ProjectId, snapshot: &SnapshotId) -> Result<(), Error> {
        self.begin_joined(snapshot, project).await
    }
}

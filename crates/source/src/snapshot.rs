//! One snapshot for several sessions: the one that has it exports it, others join.

use std::sync::Arc;

use exports_domain::{MessageFilter, ProjectId};

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::session::SourceSession;

/// A snapshot that others can join for as long as the session which exported it keeps its
/// transaction open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotId {
    pub(crate) id: String,
    /// What the session that has it knows of the relations.
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) locks_refused: bool,
    /// What was locked by the planner, where locks by name do not cover what is read.
    pub(crate) held_for: Option<MessageFilter>,
}

impl SourceSession {
    /// Lets other sessions join the snapshot that `begin` began.
    pub async fn export_snapshot(&mut self) -> Result<SnapshotId, Error> {
        let id = self.value("SELECT pg_export_snapshot()").await?;
        let id = id.unwrap_or_default();
        // It becomes part of a statement, where parameters are not to be had.
        let harmless = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        if id.is_empty() || !id.bytes().all(harmless) {
            return Err(Error::UnexpectedAnswer("pg_export_snapshot()"));
        }
        Ok(SnapshotId {
            id,
            catalogue: Arc::clone(&self.catalogue),
            locks_refused: self.locks_refused,
            held_for: self.held.as_ref().map(|(filter, _)| filter.clone()),
        })
    }

    /// Joins another session's snapshot. It fails where that is not to be had: its session has
    /// ended, this one is on another server behind the same address, or somebody waits for a lock
    /// that the other session's locks keep from him.
    pub async fn join(&mut self, project: &ProjectId, snapshot: &SnapshotId) -> Result<(), Error> {
        self.begin_with(snapshot, project).await
    }
}

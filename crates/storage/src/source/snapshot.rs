//! One snapshot for several sessions: the one that has it exports it, others join.

use std::sync::Arc;

use exports_domain::ProjectId;

use super::catalogue::Catalogue;
use super::session::SourceSession;
use crate::error::Error;

/// A snapshot that others can join for as long as the session which exported it keeps its
/// transaction open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotId {
    pub(super) id: String,
    /// What the session that has it knows of the relations.
    pub(super) catalogue: Arc<Catalogue>,
}

impl SourceSession {
    /// Lets other sessions join the snapshot that `begin` began.
    pub async fn export_snapshot(&mut self) -> Result<SnapshotId, Error> {
        let id = self.value("SELECT pg_export_snapshot()").await?;
        let id = id.unwrap_or_default();
        // It becomes part of a statement, where parameters are not to be had.
        let harmless = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        if id.is_empty() || !id.bytes().all(harmless) {
            return Err(Error::Stream("a snapshot's name is not one"));
        }
        Ok(SnapshotId {
            id,
            catalogue: Arc::clone(&self.catalogue),
        })
    }

    /// Joins another session's snapshot. It fails where that is not to be had: its session has
    /// ended, or this one is on another server behind the same address.
    pub async fn join(&mut self, project: &ProjectId, snapshot: &SnapshotId) -> Result<(), Error> {
        self.begin_with(snapshot, project).await
    }
}

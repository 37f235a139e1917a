//! One snapshot for several connections: the session that has it exports it, others join.

use exports_domain::ProjectId;
use sqlx::AssertSqlSafe;

use super::session::SourceSession;
use crate::error::Error;

/// A snapshot that others can join for as long as the session which exported it keeps its
/// transaction open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotId(String);

impl SnapshotId {
    /// Begins a transaction with it. Before any query of that, or the server refuses.
    pub(super) fn join_statements(&self) -> String {
        format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{}'",
            self.0
        )
    }
}

impl SourceSession {
    /// Lets other sessions join the snapshot that `begin` began.
    pub async fn export_snapshot(&mut self) -> Result<SnapshotId, Error> {
        let id: String = sqlx::query_scalar("SELECT pg_export_snapshot()")
            .fetch_one(&mut self.connection)
            .await?;
        // It becomes part of a statement, where parameters are not to be had.
        let harmless = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        if id.is_empty() || !id.bytes().all(harmless) {
            return Err(Error::Stream("a snapshot's name is not one"));
        }
        Ok(SnapshotId(id))
    }

    /// Begins with another session's snapshot.
    pub(super) async fn join(
        &mut self,
        project: &ProjectId,
        snapshot: &SnapshotId,
    ) -> Result<(), Error> {
        sqlx::raw_sql(AssertSqlSafe(snapshot.join_statements()))
            .execute(&mut self.connection)
            .await?;
        self.set_project(project).await
    }
}

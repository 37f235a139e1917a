//! Deletes exports.

use exports_domain::{ExportId, ProjectId};

use crate::database::Database;
use crate::error::Error;

/// The result of a delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// The record is deleted. The caller deletes the objects.
    Gone {
        /// The keys of the objects.
        object_keys: Vec<String>,
    },
    /// The export is pending or processing, so it was not deleted.
    Active,
    /// The project has no such export.
    Missing,
}

impl Database {
    /// Deletes an export that is not active. The same statement marks its objects for deletion, so a
    /// janitor deletes them if the caller cannot.
    pub async fn delete_export(&self, project: &ProjectId, id: ExportId) -> Result<Deleted, Error> {
        let row = sqlx::query!(
            r#"
            WITH target AS (
                SELECT id FROM exports WHERE id = $1 AND project_id = $2 FOR UPDATE
            ), deleted AS (
                DELETE FROM exports
                WHERE id IN (SELECT id FROM target) AND status IN ('completed', 'failed', 'expired')
                RETURNING id
            ), doomed AS (
                -- The caller deletes the object now. A janitor deletes it if that fails.
                UPDATE export_objects
                SET state = 'doomed', sweeps_left = 1, sweep_at = clock_timestamp() + interval '30 seconds'
                WHERE export_id IN (SELECT id FROM deleted) AND state = 'kept'
                RETURNING key
            )
            SELECT EXISTS (SELECT FROM target) AS "found!",
                   EXISTS (SELECT FROM deleted) AS "deleted!",
                   ARRAY (SELECT key FROM doomed) AS "object_keys!"
            "#,
            id.0,
            project.as_str(),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(match (row.found, row.deleted) {
            (_, true) => Deleted::Gone {
                object_keys: row.object_keys,
            },
            (true, false) => Deleted::Active,
            (false, false) => Deleted::Missing,
        })
    }
}

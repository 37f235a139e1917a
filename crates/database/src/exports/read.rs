//! Gets exports and finds their files.

use std::time::Duration;

use exports_domain::{Export, ExportId, ExportState, ExportStatus, ProjectId};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::ExportRow;
use exports_postgres::PooledConnection;

/// The result of looking for an export's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileLookup {
    /// The file can be downloaded.
    Ready {
        /// The object's key in the store.
        object_key: String,
        /// Time until it expires, by the database's clock.
        remaining: Duration,
        /// The export.
        export: Box<Export>,
    },
    /// The export is pending, processing or failed.
    NotReady(ExportStatus),
    /// The file is expired.
    Expired,
    /// The project is suspended.
    Suspended,
    /// There is no such export.
    Missing,
}

impl Database {
    /// One export of a project.
    pub async fn get_export(
        &self,
        project: &ProjectId,
        id: ExportId,
    ) -> Result<Option<Export>, Error> {
        let mut export = self
            .repeatable(&(project, id), |connection, (project, id)| {
                Box::pin(find(connection, project, *id))
            })
            .await?;
        self.add_progress(&mut export).await?;
        Ok(export)
    }

    /// Finds the file of an export. With a project, only among its exports.
    pub async fn find_file(
        &self,
        project: Option<&ProjectId>,
        id: ExportId,
    ) -> Result<FileLookup, Error> {
        self.repeatable(&(project, id), |connection, (project, id)| {
            Box::pin(find_file(connection, *project, *id))
        })
        .await
    }
}

async fn find_file(
    connection: &mut PooledConnection,
    project: Option<&ProjectId>,
    id: ExportId,
) -> Result<FileLookup, Error> {
    // One statement: between two statements the export could complete and appear to be expired.
    let row = sqlx::query!(
        r#"
        SELECT id, project_id, created_at, direction, filter_start_time, filter_end_time,
               filter_status, filter_statuses, filter_endpoint_id, filter_endpoint_ids,
               attempt, started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, error_code, error_message, label, retry_of, snapshot_at, file_options::text AS file_options, files::text AS files, status, object_key,
               extract(epoch FROM expires_at - clock_timestamp())::float8 AS remaining,
               (SELECT p.suspended_at IS NOT NULL FROM projects p WHERE p.id = exports.project_id) AS "suspended!"
        FROM exports
        WHERE id = $1 AND ($2::text IS NULL OR project_id = $2)
        "#,
        id.0,
        project.map(ProjectId::as_str),
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else {
        return Ok(FileLookup::Missing);
    };
    if row.suspended {
        return Ok(FileLookup::Suspended);
    }
    let export = Export::try_from(ExportRow {
        id: row.id,
        project_id: row.project_id,
        created_at: row.created_at,
        direction: row.direction,
        filter_start_time: row.filter_start_time,
        filter_end_time: row.filter_end_time,
        filter_status: row.filter_status,
        filter_statuses: row.filter_statuses,
        filter_endpoint_id: row.filter_endpoint_id,
        filter_endpoint_ids: row.filter_endpoint_ids,
        status: row.status,
        attempt: row.attempt,
        started_at: row.started_at,
        completed_at: row.completed_at,
        expires_at: row.expires_at,
        row_count: row.row_count,
        file_size_bytes: row.file_size_bytes,
        sha256: row.sha256,
        error_code: row.error_code,
        error_message: row.error_message,
        label: row.label,
        retry_of: row.retry_of,
        snapshot_at: row.snapshot_at,
        file_options: row.file_options,
        files: row.files,
    })?;
    let remaining = Duration::try_from_secs_f64(row.remaining.unwrap_or(0.0)).unwrap_or_default();
    Ok(match (&export.state, row.object_key) {
        (ExportState::Completed(_), Some(object_key)) if !remaining.is_zero() => {
            FileLookup::Ready {
                object_key,
                remaining,
                export: Box::new(export),
            }
        }
        (ExportState::Completed(_) | ExportState::Expired(_), _) => FileLookup::Expired,
        (ExportState::Pending | ExportState::Processing { .. } | ExportState::Failed { .. }, _) => {
            FileLookup::NotReady(export.state.status())
        }
    })
}

pub(crate) async fn find(
    connection: &mut PooledConnection,
    project: &ProjectId,
    id: ExportId,
) -> Result<Option<Export>, Error> {
    let mut rows = find_all(connection, &[id.0]).await?.into_iter();
    let row = rows.find(|row| row.project_id == project.as_str());
    row.map(Export::try_from).transpose()
}

/// The rows of the exports with these ids, of any project.
pub(crate) async fn find_all(
    connection: &mut PooledConnection,
    ids: &[Uuid],
) -> Result<Vec<ExportRow>, Error> {
    Ok(sqlx::query_as!(
        ExportRow,
        r#"
        SELECT id, project_id, created_at, direction, filter_start_time, filter_end_time,
               filter_status, filter_statuses, filter_endpoint_id, filter_endpoint_ids,
               attempt, started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, error_code, error_message, label, retry_of, snapshot_at, file_options::text AS file_options, files::text AS files,
               CASE WHEN status = 'completed' AND expires_at <= clock_timestamp()
                    THEN 'expired' ELSE status END AS "status!"
        FROM exports
        WHERE id = ANY ($1)
        "#,
        ids,
    )
    .fetch_all(connection)
    .await?)
}

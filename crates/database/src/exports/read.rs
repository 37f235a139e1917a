//! Gets, lists and deletes exports, and finds their files.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{Export, ExportId, ExportState, ExportStatus, ProjectId};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::ExportRow;
use exports_postgres::PooledConnection;

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
    /// There is no such export.
    Missing,
}

/// The last export of a page. The next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Its creation time.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: ExportId,
}

/// Which exports of a project to list.
#[derive(Debug, Clone, Copy)]
pub struct ListRequest {
    /// Maximum number of exports.
    pub limit: u16,
    /// Only exports after this one.
    pub after: Option<Cursor>,
    /// Only exports with this status.
    pub status: Option<ExportStatus>,
}

/// A page of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page {
    /// The exports.
    pub exports: Vec<Export>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Cursor>,
}

impl Database {
    /// One export of a project.
    pub async fn get_export(
        &self,
        project: &ProjectId,
        id: ExportId,
    ) -> Result<Option<Export>, Error> {
        self.repeatable(&(project, id), |connection, (project, id)| {
            Box::pin(find(connection, project, *id))
        })
        .await
    }

    /// Exports of a project, newest first.
    pub async fn list_exports(
        &self,
        project: &ProjectId,
        request: ListRequest,
    ) -> Result<Page, Error> {
        let limit = usize::from(request.limit);
        let rows = self
            .repeatable(&(project, request), |connection, (project, request)| {
                Box::pin(list(connection, project, request))
            })
            .await?;
        let more = rows.len() > limit;
        let exports = rows
            .into_iter()
            .take(limit)
            .map(Export::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        let next = exports.last().filter(|_| more).map(|last| Cursor {
            created_at: last.created_at,
            id: last.id,
        });
        Ok(Page { exports, next })
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

async fn list(
    connection: &mut PooledConnection,
    project: &ProjectId,
    request: &ListRequest,
) -> Result<Vec<ExportRow>, Error> {
    let after = request.after;
    Ok(sqlx::query_as!(
        ExportRow,
        r#"
        SELECT id, project_id, created_at, direction, filter_start_time, filter_end_time,
               filter_status, filter_endpoint_id, attempt, started_at, completed_at, expires_at,
               row_count, file_size_bytes, sha256, error_code, error_message, shown.status AS "status!"
        FROM exports
        CROSS JOIN LATERAL (
            SELECT CASE WHEN exports.status = 'completed' AND expires_at <= clock_timestamp()
                   THEN 'expired' ELSE exports.status END AS status) shown
        WHERE project_id = $1
          AND ($2::text IS NULL OR shown.status = $2)
          -- Without a cursor: from the end of the index. With an OR instead, the index could not be used.
          AND (created_at, id) < (coalesce($3::timestamptz, 'infinity'),
                                  coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        ORDER BY created_at DESC, id DESC
        LIMIT $5
        "#,
        project.as_str(),
        request.status.map(ExportStatus::as_str),
        after.map(|cursor| cursor.created_at),
        after.map(|cursor| cursor.id.0),
        i64::from(request.limit) + 1,
    )
    .fetch_all(connection)
    .await?)
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
               filter_status, filter_endpoint_id, attempt, started_at, completed_at, expires_at,
               row_count, file_size_bytes, sha256, error_code, error_message, status, object_key,
               extract(epoch FROM expires_at - clock_timestamp())::float8 AS remaining
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
    let export = Export::try_from(ExportRow {
        id: row.id,
        project_id: row.project_id,
        created_at: row.created_at,
        direction: row.direction,
        filter_start_time: row.filter_start_time,
        filter_end_time: row.filter_end_time,
        filter_status: row.filter_status,
        filter_endpoint_id: row.filter_endpoint_id,
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
               filter_status, filter_endpoint_id, attempt, started_at, completed_at, expires_at,
               row_count, file_size_bytes, sha256, error_code, error_message,
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

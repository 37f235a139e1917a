//! Lists exports page by page. The statements for one status are in `list_by_status`.

use chrono::{DateTime, Utc};
use exports_domain::{Export, ExportId, ExportStatus, ProjectId};
use exports_postgres::PooledConnection;

use crate::database::Database;
use crate::error::Error;
use crate::exports::list_by_status::list_by_status;
use crate::row::ExportRow;

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
        let mut exports = rows
            .into_iter()
            .take(limit)
            .map(Export::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        self.add_progress(&mut exports).await?;
        let next = exports.last().filter(|_| more).map(|last| Cursor {
            created_at: last.created_at,
            id: last.id,
        });
        Ok(Page { exports, next })
    }
}

async fn list(
    connection: &mut PooledConnection,
    project: &ProjectId,
    request: &ListRequest,
) -> Result<Vec<ExportRow>, Error> {
    match request.status {
        None => list_all(connection, project, request).await,
        Some(status) => list_by_status(connection, project, status, request).await,
    }
}

async fn list_all(
    connection: &mut PooledConnection,
    project: &ProjectId,
    request: &ListRequest,
) -> Result<Vec<ExportRow>, Error> {
    let after = request.after;
    Ok(sqlx::query_as!(
        ExportRow,
        r#"
        SELECT id, project_id, created_at, direction, filter_start_time, filter_end_time,
               filter_status, filter_statuses, filter_endpoint_id, filter_endpoint_ids,
               attempt, started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, error_code, error_message, label, retry_of, snapshot_at, file_options::text AS file_options, NULL::text AS files,
               CASE WHEN status = 'completed' AND expires_at <= clock_timestamp()
                    THEN 'expired' ELSE status END AS "status!"
        FROM exports
        WHERE project_id = $1
          -- Without a cursor: from the end of the index. With an OR instead, the index could not be used.
          AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'),
                                  coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        ORDER BY created_at DESC, id DESC
        LIMIT $4
        "#,
        project.as_str(),
        after.map(|cursor| cursor.created_at),
        after.map(|cursor| cursor.id.0),
        i64::from(request.limit) + 1,
    )
    .fetch_all(connection)
    .await?)
}

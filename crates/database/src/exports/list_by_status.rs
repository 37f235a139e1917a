//! Lists of the exports with one status. Each statement reads a range of an index, newest first.
//!
//! A completed export counts as expired as soon as its `expires_at` is past, even if no janitor has marked
//! it yet.

use exports_domain::{ExportStatus, ProjectId};
use exports_postgres::PooledConnection;

use crate::error::Error;
use crate::exports::list::ListRequest;
use crate::row::ExportRow;

/// The rows of a page and one more.
pub(super) async fn list_by_status(
    connection: &mut PooledConnection,
    project: &ProjectId,
    status: ExportStatus,
    request: &ListRequest,
) -> Result<Vec<ExportRow>, Error> {
    match status {
        ExportStatus::Pending => pending(connection, project, request).await,
        ExportStatus::Processing => processing(connection, project, request).await,
        ExportStatus::Completed => completed(connection, project, request).await,
        ExportStatus::Failed => failed(connection, project, request).await,
        ExportStatus::Expired => expired(connection, project, request).await,
    }
}

/// Exports in the queue have no index of their own in the order of lists, because every create and claim would
/// pay for it. Usually there are few: they are found by the index of the queue, and sorted. If there are many, most of
/// the newest exports are pending, and the index of all exports finds them.
async fn pending(
    connection: &mut PooledConnection,
    project: &ProjectId,
    request: &ListRequest,
) -> Result<Vec<ExportRow>, Error> {
    let after = request.after;
    Ok(sqlx::query_as!(
        ExportRow,
        r#"
        WITH queued AS MATERIALIZED (
            SELECT id, created_at FROM exports WHERE project_id = $1 AND status = 'pending'
            ORDER BY due_at, id LIMIT 5001
        ), page AS (
            SELECT id, created_at FROM queued
            WHERE (SELECT count(*) FROM queued) <= 5000
              AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'),
                                       coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
            UNION ALL
            (SELECT id, created_at FROM exports
             WHERE (SELECT count(*) FROM queued) > 5000
               AND project_id = $1 AND status = 'pending'
               AND (created_at, id) < (coalesce($2, 'infinity'), coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
             ORDER BY created_at DESC, id DESC LIMIT $4)
        )
        SELECT id, project_id, created_at, direction, filter_start_time, filter_end_time,
               filter_status, filter_statuses, filter_endpoint_id, filter_endpoint_ids,
               attempt, started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, error_code, error_message, label, retry_of, snapshot_at, file_options::text AS file_options, NULL::text AS files, status
        FROM exports
        WHERE id = ANY (ARRAY (SELECT id FROM page ORDER BY created_at DESC, id DESC LIMIT $4))
        ORDER BY created_at DESC, id DESC
        "#,
        project.as_str(),
        after.map(|cursor| cursor.created_at),
        after.map(|cursor| cursor.id.0),
        i64::from(request.limit) + 1,
    )
    .fetch_all(connection)
    .await?)
}

/// There are never more than the slots of all workers.
async fn processing(
    connection: &mut PooledConnection,
    project: &ProjectId,
    request: &ListRequest,
) -> Result<Vec<ExportRow>, Error> {
    let after = request.after;
    Ok(sqlx::query_as!(
        ExportRow,
        r#"
        WITH active AS MATERIALIZED (
            SELECT id, created_at FROM exports WHERE project_id = $1 AND status = 'processing'
        )
        SELECT id, project_id, created_at, direction, filter_start_time, filter_end_time,
               filter_status, filter_statuses, filter_endpoint_id, filter_endpoint_ids,
               attempt, started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, error_code, error_message, label, retry_of, snapshot_at, file_options::text AS file_options, NULL::text AS files, status
        FROM exports
        WHERE id = ANY (ARRAY (
            SELECT id FROM active
            WHERE (created_at, id) < (coalesce($2::timestamptz, 'infinity'),
                                       coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
            ORDER BY created_at DESC, id DESC LIMIT $4))
        ORDER BY created_at DESC, id DESC
        "#,
        project.as_str(),
        after.map(|cursor| cursor.created_at),
        after.map(|cursor| cursor.id.0),
        i64::from(request.limit) + 1,
    )
    .fetch_all(connection)
    .await?)
}

async fn failed(
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
               attempt, started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, error_code, error_message, label, retry_of, snapshot_at, file_options::text AS file_options, NULL::text AS files, status
        FROM exports
        WHERE project_id = $1 AND status = 'failed'
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

async fn completed(
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
               attempt, started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, error_code, error_message, label, retry_of, snapshot_at, file_options::text AS file_options, NULL::text AS files, status
        FROM exports
        WHERE project_id = $1 AND status = 'completed'
          -- As a subquery the time is compared within the index: rows that have expired are not read.
          AND expires_at > (SELECT clock_timestamp())
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

/// Exports that are stored as expired, and completed ones whose time is past (`overdue`).
///
/// Janitors mark these within seconds, so there are few of them: they are found by their time, and sorted. If no
/// worker has run for long, there are many; then they are read newest first, like the others.
async fn expired(
    connection: &mut PooledConnection,
    project: &ProjectId,
    request: &ListRequest,
) -> Result<Vec<ExportRow>, Error> {
    let after = request.after;
    Ok(sqlx::query_as!(
        ExportRow,
        r#"
        WITH overdue AS MATERIALIZED (
            SELECT id, created_at FROM exports
            WHERE project_id = $1 AND status = 'completed' AND expires_at <= (SELECT clock_timestamp())
            ORDER BY expires_at LIMIT 5001
        ), page AS (
            (SELECT id, created_at FROM exports
             WHERE project_id = $1 AND status = 'expired'
               AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'),
                                       coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
             ORDER BY created_at DESC, id DESC LIMIT $4)
            UNION ALL
            SELECT id, created_at FROM overdue
            WHERE (SELECT count(*) FROM overdue) <= 5000
              AND (created_at, id) < (coalesce($2, 'infinity'), coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
            UNION ALL
            (SELECT id, created_at FROM exports
             WHERE (SELECT count(*) FROM overdue) > 5000
               AND project_id = $1 AND status = 'completed' AND expires_at <= (SELECT clock_timestamp())
               AND (created_at, id) < (coalesce($2, 'infinity'), coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
             ORDER BY created_at DESC, id DESC LIMIT $4)
        )
        SELECT id, project_id, created_at, direction, filter_start_time, filter_end_time,
               filter_status, filter_statuses, filter_endpoint_id, filter_endpoint_ids,
               attempt, started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, error_code, error_message, label, retry_of, snapshot_at, file_options::text AS file_options, NULL::text AS files, 'expired' AS "status!"
        FROM exports
        WHERE id = ANY (ARRAY (SELECT id FROM page ORDER BY created_at DESC, id DESC LIMIT $4))
        ORDER BY created_at DESC, id DESC
        "#,
        project.as_str(),
        after.map(|cursor| cursor.created_at),
        after.map(|cursor| cursor.id.0),
        i64::from(request.limit) + 1,
    )
    .fetch_all(connection)
    .await?)
}

//! What consumers do with exports: ask for one, look at them, find the file, delete.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{Export, ExportId, ExportState, ExportStatus, MessageFilter, ProjectId};
use sqlx::{PgConnection, PgExecutor};
use tokio::time::Instant;
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::{ExportRow, known};

/// A request for an export.
#[derive(Debug, Clone)]
pub struct NewExport {
    /// Made by the caller, so that an insert whose answer was lost can be looked up.
    pub id: ExportId,
    /// Whose messages.
    pub project: ProjectId,
    /// Which of them.
    pub filter: MessageFilter,
    /// One export per key and project, for a day.
    pub idempotency_key: Option<String>,
}

/// What became of a request for an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It was queued.
    New(Export),
    /// The key had asked for the same before: that export, as it is now.
    Replayed(Export),
    /// The key had asked for something else before.
    Mismatch,
}

/// What became of a request to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// The record is gone; these objects have to go too.
    Gone {
        /// Their keys.
        object_keys: Vec<String>,
    },
    /// It is pending or processing.
    Active,
    /// This project has no such export.
    Missing,
}

/// Where an export's file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileLookup {
    /// It can be downloaded.
    Ready {
        /// Its key in the object store.
        object_key: String,
        /// For how long still, by the database's clock.
        remaining: Duration,
        /// The export.
        export: Box<Export>,
    },
    /// There is none (yet).
    NotReady(ExportStatus),
    /// There was one.
    Expired,
    /// There is no such export.
    Missing,
}

/// The place in a list behind which a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last export's time.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: ExportId,
}

/// Which part of a project's exports to list.
#[derive(Debug, Clone, Copy)]
pub struct ListRequest {
    /// At most so many.
    pub limit: u16,
    /// Only those behind this place.
    pub after: Option<Cursor>,
    /// Only those with this status.
    pub status: Option<ExportStatus>,
}

/// A part of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page {
    /// The exports.
    pub exports: Vec<Export>,
    /// Where the next page begins, if there is more.
    pub next: Option<Cursor>,
}

/// For how long a create whose answer was lost is looked up before the database counts as away.
const SETTLE: Duration = Duration::from_secs(8);

impl Database {
    /// Queues an export, or finds the one that its key has asked for before.
    ///
    /// When the answer is lost, the same insert, with the same id, is sent again over a fresh
    /// connection: if the first one was committed, it finds its own row there.
    pub async fn create_export(&self, new: &NewExport) -> Result<Created, Error> {
        let mut pooled = self.pool.acquire().await?;
        let lost = match create(&mut pooled, new).await {
            Err(error) if error.may_be_committed() => error,
            settled => return settled,
        };
        drop(pooled);
        tracing::warn!(export.id = %new.id, error = %lost, "a create's answer was lost, looking it up");
        let deadline = Instant::now() + SETTLE;
        loop {
            if let Ok(mut connection) = self.fresh_connection().await {
                match create(&mut connection, new).await {
                    Err(error) if error.may_be_committed() => {}
                    settled => return settled,
                }
            }
            if Instant::now() >= deadline {
                return Err(lost);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What the request's key has asked for in the last day, without asking for anything: for a
    /// request that would be refused by now if it were new. `None` if there is no such export.
    pub async fn find_replay(&self, new: &NewExport) -> Result<Option<Created>, Error> {
        let Some(key) = new.idempotency_key.as_deref() else {
            return Ok(None);
        };
        let mut connection = self.pool.acquire().await?;
        if free_stale_key(&mut *connection, &new.project, key).await? {
            return Ok(None);
        }
        replay(&mut connection, new, key).await
    }

    /// One export of a project.
    pub async fn get_export(
        &self,
        project: &ProjectId,
        id: ExportId,
    ) -> Result<Option<Export>, Error> {
        find(&self.pool, project, id).await
    }

    /// A project's exports, newest first.
    pub async fn list_exports(
        &self,
        project: &ProjectId,
        request: ListRequest,
    ) -> Result<Page, Error> {
        let limit = usize::from(request.limit);
        let after = request.after;
        let rows = sqlx::query_as!(
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
              AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
            ORDER BY created_at DESC, id DESC
            LIMIT $5
            "#,
            project.as_str(),
            request.status.map(ExportStatus::as_str),
            after.map(|cursor| cursor.created_at),
            after.map(|cursor| cursor.id.0),
            i64::from(request.limit) + 1,
        )
        .fetch_all(&self.pool)
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

    /// Where the file of an export is; of this project only, if one is given.
    pub async fn find_file(
        &self,
        project: Option<&ProjectId>,
        id: ExportId,
    ) -> Result<FileLookup, Error> {
        let row = sqlx::query!(
            r#"
            SELECT project_id, object_key,
                   extract(epoch FROM expires_at - clock_timestamp())::float8 AS remaining
            FROM exports
            WHERE id = $1 AND ($2::text IS NULL OR project_id = $2)
            "#,
            id.0,
            project.map(ProjectId::as_str),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else {
            return Ok(FileLookup::Missing);
        };
        let owner = known(id.0, "project_id", &row.project_id)?;
        let Some(export) = find(&self.pool, &owner, id).await? else {
            return Ok(FileLookup::Missing);
        };
        let remaining =
            Duration::try_from_secs_f64(row.remaining.unwrap_or(0.0)).unwrap_or_default();
        Ok(match (&export.state, row.object_key) {
            (ExportState::Completed(_), Some(object_key)) if !remaining.is_zero() => {
                FileLookup::Ready {
                    object_key,
                    remaining,
                    export: Box::new(export),
                }
            }
            (ExportState::Completed(_) | ExportState::Expired(_), _) => FileLookup::Expired,
            (
                ExportState::Pending | ExportState::Processing { .. } | ExportState::Failed { .. },
                _,
            ) => FileLookup::NotReady(export.state.status()),
        })
    }

    /// Deletes an export that nothing works on; its objects are doomed in the same statement, so
    /// that they go even if the caller cannot delete them.
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
                -- The caller deletes it now; a janitor only if that fails.
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
        .fetch_one(&self.pool)
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

async fn create(connection: &mut PgConnection, new: &NewExport) -> Result<Created, Error> {
    // Twice at the most: a key that a day has freed is freed once.
    for _ in 0..2 {
        if let Some(created_at) = insert(&mut *connection, new).await? {
            return Ok(Created::New(Export {
                id: new.id,
                project: new.project.clone(),
                filter: new.filter.clone(),
                attempt: 0,
                created_at,
                state: ExportState::Pending,
            }));
        }
        if let Some(export) = find(&mut *connection, &new.project, new.id).await? {
            return Ok(Created::New(export));
        }
        let Some(key) = new.idempotency_key.as_deref() else {
            break;
        };
        if free_stale_key(&mut *connection, &new.project, key).await? {
            continue;
        }
        if let Some(replayed) = replay(&mut *connection, new, key).await? {
            return Ok(replayed);
        }
        // The first export was deleted in between, which frees its key.
    }
    Err(Error::Desynchronised)
}

/// What a key that holds an export answers; `None` if it holds none.
async fn replay(
    connection: &mut PgConnection,
    new: &NewExport,
    key: &str,
) -> Result<Option<Created>, Error> {
    let Some(id) = find_by_key(&mut *connection, &new.project, key).await? else {
        return Ok(None);
    };
    let first = find(&mut *connection, &new.project, id).await?;
    Ok(first.map(|first| {
        if first.filter == new.filter {
            Created::Replayed(first)
        } else {
            Created::Mismatch
        }
    }))
}

async fn insert(
    executor: impl PgExecutor<'_>,
    new: &NewExport,
) -> Result<Option<DateTime<Utc>>, Error> {
    let filter = &new.filter;
    let created = sqlx::query!(
        r#"
        WITH created AS (
            INSERT INTO exports (id, project_id, created_at, due_at, status, direction,
                                 filter_start_time, filter_end_time, filter_status,
                                 filter_endpoint_id, idempotency_key)
            SELECT $1, $2, now.at, now.at, 'pending', $3, $4, $5, $6, $7, $8
            FROM (SELECT clock_timestamp() AS at) now
            ON CONFLICT DO NOTHING
            RETURNING created_at
        )
        SELECT created_at AS "created_at!", pg_notify('exports_pending', '')::text AS notified
        FROM created
        "#,
        new.id.0,
        new.project.as_str(),
        filter.direction.as_str(),
        filter.range.start(),
        filter.range.end(),
        filter.status.map(exports_domain::MessageStatus::as_str),
        filter.endpoint.map(|endpoint| endpoint.0),
        new.idempotency_key.as_deref(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(created.map(|row| row.created_at))
}

async fn find(
    executor: impl PgExecutor<'_>,
    project: &ProjectId,
    id: ExportId,
) -> Result<Option<Export>, Error> {
    sqlx::query_as!(
        ExportRow,
        r#"
        SELECT id, project_id, created_at, direction, filter_start_time, filter_end_time,
               filter_status, filter_endpoint_id, attempt, started_at, completed_at, expires_at,
               row_count, file_size_bytes, sha256, error_code, error_message,
               CASE WHEN status = 'completed' AND expires_at <= clock_timestamp()
                    THEN 'expired' ELSE status END AS "status!"
        FROM exports
        WHERE id = $1 AND project_id = $2
        "#,
        id.0,
        project.as_str(),
    )
    .fetch_optional(executor)
    .await?
    .map(Export::try_from)
    .transpose()
}

async fn find_by_key(
    executor: impl PgExecutor<'_>,
    project: &ProjectId,
    key: &str,
) -> Result<Option<ExportId>, Error> {
    let id: Option<Uuid> = sqlx::query_scalar!(
        "SELECT id FROM exports WHERE project_id = $1 AND idempotency_key = $2",
        project.as_str(),
        key,
    )
    .fetch_optional(executor)
    .await?;
    Ok(id.map(ExportId))
}

/// Keys count for a day. The sweep clears them too; this is for the one that comes in between.
async fn free_stale_key(
    executor: impl PgExecutor<'_>,
    project: &ProjectId,
    key: &str,
) -> Result<bool, Error> {
    let freed = sqlx::query!(
        r#"
        UPDATE exports SET idempotency_key = NULL
        WHERE project_id = $1 AND idempotency_key = $2
          AND created_at <= clock_timestamp() - interval '24 hours'
        "#,
        project.as_str(),
        key,
    )
    .execute(executor)
    .await?;
    Ok(freed.rows_affected() > 0)
}

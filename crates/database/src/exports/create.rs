//! Queuing an export, once: however often it is asked for with the same key, and even if the
//! answer of the first try is lost.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{Export, ExportId, ExportState, MessageFilter, ProjectId};
use futures_util::future::BoxFuture;
use sqlx::PgExecutor;
use tokio::time::Instant;
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::exports::read::find;
use exports_postgres::PooledConnection;

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

/// For how long a create whose answer was lost is looked up before the database counts as away.
const SETTLE: Duration = Duration::from_secs(8);

impl Database {
    /// Queues an export, or finds the one that its key has asked for before.
    ///
    /// When the answer is lost or slow to come, the same insert, with the same id, is sent again over
    /// another connection: if the first one was committed, it finds its own row there.
    pub async fn create_export(&self, new: &NewExport) -> Result<Created, Error> {
        let lost = match self.repeatable_write(new, create_boxed).await {
            Err(failed) if failed.maybe_committed => failed.error,
            settled => return settled.map_err(|failed| failed.error),
        };
        tracing::warn!(export.id = %new.id, error = %lost, "a create's answer was lost, looking it up");
        let deadline = Instant::now() + SETTLE;
        loop {
            match self.repeatable(new, create_boxed).await {
                Err(error) if error.is_transient() => {}
                settled => return settled,
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
        self.repeatable(&(new, key), |connection, (new, key)| {
            Box::pin(replay_if_fresh(connection, new, key))
        })
        .await
    }
}

fn create_boxed<'c>(
    connection: &'c mut PooledConnection,
    new: &'c NewExport,
) -> BoxFuture<'c, Result<Created, Error>> {
    Box::pin(create(connection, new))
}

async fn create(connection: &mut PooledConnection, new: &NewExport) -> Result<Created, Error> {
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
    Err(Error::KeyContended)
}

/// What a key that holds an export answers; `None` if it holds none.
async fn replay(
    connection: &mut PooledConnection,
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

/// The same, but a key that a day has freed is freed.
async fn replay_if_fresh(
    connection: &mut PooledConnection,
    new: &NewExport,
    key: &str,
) -> Result<Option<Created>, Error> {
    if free_stale_key(&mut *connection, &new.project, key).await? {
        return Ok(None);
    }
    replay(connection, new, key).await
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

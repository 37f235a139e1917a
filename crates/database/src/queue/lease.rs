//! What a worker does with an export that it holds: keep it alive, record its upload, end the
//! attempt.
//!
//! Every write carries the lease's token and is refused once the lease is over or taken over. What
//! becomes of an attempt's object is decided in the same statement that decides what becomes of
//! the attempt.
//!
//! A token opens a row that is being processed and no other, and is asked for in that way:
//! `status = 'processing'` by itself would have the planner find the one row by the index of those
//! being processed, which it believes to be short, and which beside a long snapshot holds an entry
//! of every export since.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{Failure, Lease};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::interval;
use exports_postgres::PooledConnection;

/// The answer to a write that shows a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Fenced {
    /// Done.
    Held,
    /// Nothing was done: the lease is over, and with it the right to write.
    Lost,
}

/// The facts of a finished file.
#[derive(Debug, Clone, Copy)]
pub struct FinishedFile {
    /// Data rows.
    pub row_count: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// How long it can be downloaded from now on.
    pub ttl: Duration,
}

/// The answer to a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Completed {
    /// The export is completed with this file, by this statement or by an earlier one of this
    /// lease whose answer was lost.
    Done {
        /// When it expires.
        expires_at: DateTime<Utc>,
    },
    /// The lease was over. Nobody will ever refer to the file.
    Lost,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Data rows encoded.
    pub rows: u64,
    /// Bytes handed to the upload.
    pub bytes: u64,
}

impl Database {
    /// Holds the export for another `lease` from now on, and notes how far it is.
    pub async fn heartbeat(
        &self,
        lease: Lease,
        duration: Duration,
        progress: Progress,
    ) -> Result<Fenced, Error> {
        let beat = (lease, duration, progress);
        // Twice is the same as once. A lease cannot wait for a connection that has died.
        self.repeatable(&beat, |connection, (lease, duration, progress)| {
            Box::pin(heartbeat(connection, *lease, *duration, *progress))
        })
        .await
    }

    /// Records the multipart upload of this attempt, before its first part is sent. Safe to repeat.
    pub async fn record_upload(
        &self,
        lease: Lease,
        object_key: &str,
        upload_id: &str,
    ) -> Result<Fenced, Error> {
        let upload = (lease, object_key, upload_id);
        self.repeatable(&upload, |connection, (lease, object_key, upload_id)| {
            Box::pin(record_upload(connection, *lease, object_key, upload_id))
        })
        .await
    }

    /// Ends the attempt with its file. Safe to repeat when the answer was lost.
    pub async fn complete(
        &self,
        lease: Lease,
        object_key: &str,
        file: &FinishedFile,
    ) -> Result<Completed, Error> {
        let row = sqlx::query!(
            r#"
            WITH done AS (
                -- The clock is read once, so that a file lives for exactly its time.
                UPDATE exports e
                SET status = 'completed', lease_expires_at = NULL, lease_owner = NULL,
                    attempt_error = NULL, object_key = $3, row_count = $4, file_size_bytes = $5,
                    sha256 = $6, completed_at = greatest(e.started_at, now.at),
                    expires_at = greatest(e.started_at, now.at) + $7
                FROM (SELECT clock_timestamp() AS at) now
                WHERE e.id = $1 AND e.lease_token = CASE e.status WHEN 'processing' THEN $2::uuid END
                  AND e.lease_expires_at > clock_timestamp()
                RETURNING e.id, e.lease_token, e.expires_at
            ), kept AS (
                UPDATE export_objects SET state = 'kept', upload_id = NULL
                WHERE key = $3 AND EXISTS (SELECT FROM done)
            )
            SELECT id AS "id!", lease_token AS "token!", expires_at AS "expires_at!" FROM done
            UNION ALL
            -- This lease completed it before, and the answer was lost.
            SELECT id, lease_token, expires_at FROM exports
            WHERE id = $1 AND status = 'completed' AND lease_token = $2 AND object_key = $3
            "#,
            lease.export.0,
            lease.token.0,
            object_key,
            i64::try_from(file.row_count).unwrap_or(i64::MAX),
            i64::try_from(file.size_bytes).unwrap_or(i64::MAX),
            file.sha256.as_slice(),
            interval(file.ttl),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        let Some(row) = row else {
            return Ok(Completed::Lost);
        };
        match fenced(lease, Some((row.id, row.token)))? {
            Fenced::Held => Ok(Completed::Done {
                expires_at: row.expires_at,
            }),
            Fenced::Lost => Ok(Completed::Lost),
        }
    }

    /// Ends the attempt and the export: there will be no file. `reason` is for operators.
    pub async fn fail(
        &self,
        lease: Lease,
        failure: &Failure,
        reason: &str,
    ) -> Result<Fenced, Error> {
        let held = sqlx::query!(
            r#"
            WITH ended AS (
                UPDATE exports
                SET status = 'failed', lease_expires_at = NULL, lease_owner = NULL,
                    error_code = $3, error_message = $4, attempt_error = $5
                WHERE id = $1 AND lease_token = CASE status WHEN 'processing' THEN $2::uuid END
                  AND lease_expires_at > clock_timestamp()
                RETURNING id, lease_token
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE state = 'writing' AND export_id IN (SELECT id FROM ended)
            )
            SELECT id, lease_token AS "token!" FROM ended
            "#,
            lease.export.0,
            lease.token.0,
            failure.code.as_str(),
            failure.message,
            reason,
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        fenced(lease, held.map(|row| (row.id, row.token)))
    }

    /// Ends the attempt; the export is due again after `pause`. `reason` is for operators.
    pub async fn retry(
        &self,
        lease: Lease,
        pause: Duration,
        reason: &str,
    ) -> Result<Fenced, Error> {
        self.requeue(lease, Some(pause), Some(reason)).await
    }

    /// Gives the export back at shutdown: due at once, in its old place, the attempt not counted.
    pub async fn release(&self, lease: Lease) -> Result<Fenced, Error> {
        self.requeue(lease, None, None).await
    }

    async fn requeue(
        &self,
        lease: Lease,
        pause: Option<Duration>,
        reason: Option<&str>,
    ) -> Result<Fenced, Error> {
        let held = sqlx::query!(
            r#"
            WITH held AS (
                SELECT id, lease_token FROM exports
                WHERE id = $1 AND lease_token = CASE status WHEN 'processing' THEN $2::uuid END
                  AND lease_expires_at > clock_timestamp()
                FOR UPDATE
            ), ended AS (
                UPDATE exports e
                SET status = 'pending', lease_expires_at = NULL, lease_owner = NULL,
                    lease_token = gen_random_uuid(), started_at = NULL,
                    attempt = CASE WHEN $3::interval IS NULL THEN e.attempt - 1 ELSE e.attempt END,
                    due_at = coalesce(clock_timestamp() + $3, e.due_at),
                    attempt_error = coalesce($4, e.attempt_error)
                FROM held WHERE e.id = held.id
                RETURNING e.id, held.lease_token
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE state = 'writing' AND export_id IN (SELECT id FROM ended)
            )
            SELECT id, lease_token AS "token!",
                   CASE WHEN $3::interval IS NULL THEN pg_notify('exports_pending', '')::text END AS notified
            FROM ended
            "#,
            lease.export.0,
            lease.token.0,
            pause.map(interval),
            reason,
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        fenced(lease, held.map(|row| (row.id, row.token)))
    }
}

async fn heartbeat(
    connection: &mut PooledConnection,
    lease: Lease,
    duration: Duration,
    progress: Progress,
) -> Result<Fenced, Error> {
    let held = sqlx::query!(
        r#"
            UPDATE exports
            SET lease_expires_at = clock_timestamp() + $3, progress_rows = $4, progress_bytes = $5
            WHERE id = $1 AND lease_token = CASE status WHEN 'processing' THEN $2::uuid END
              AND lease_expires_at > clock_timestamp()
            RETURNING id, lease_token AS "token!"
            "#,
        lease.export.0,
        lease.token.0,
        interval(duration),
        i64::try_from(progress.rows).unwrap_or(i64::MAX),
        i64::try_from(progress.bytes).unwrap_or(i64::MAX),
    )
    .fetch_optional(connection)
    .await?;
    fenced(lease, held.map(|row| (row.id, row.token)))
}

async fn record_upload(
    connection: &mut PooledConnection,
    lease: Lease,
    object_key: &str,
    upload_id: &str,
) -> Result<Fenced, Error> {
    let held = sqlx::query!(
        r#"
            UPDATE export_objects o SET upload_id = $4
            FROM exports e
            WHERE o.key = $3 AND o.state = 'writing' AND o.export_id = e.id
              AND e.id = $1 AND e.lease_token = CASE e.status WHEN 'processing' THEN $2::uuid END
              AND e.lease_expires_at > clock_timestamp()
            RETURNING e.id, e.lease_token AS "token!"
            "#,
        lease.export.0,
        lease.token.0,
        object_key,
        upload_id,
    )
    .fetch_optional(connection)
    .await?;
    fenced(lease, held.map(|row| (row.id, row.token)))
}

/// A row back is the lease's own, or the connection is out of step and nothing it says counts.
fn fenced(lease: Lease, row: Option<(Uuid, Uuid)>) -> Result<Fenced, Error> {
    match row {
        None => Ok(Fenced::Lost),
        Some((id, token)) if id == lease.export.0 && token == lease.token.0 => Ok(Fenced::Held),
        Some((found, _)) => Err(Error::WrongExport {
            expected: lease.export.0,
            found,
        }),
    }
}

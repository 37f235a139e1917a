//! The end of an attempt: completed, failed, retried or released.
//!
//! The statement that ends an attempt also sets the state of its object. [`Leased`] says whether the
//! lease was still valid.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{Failure, Lease, SplitFile};

use crate::database::Database;
use crate::error::Error;
use crate::queue::lease::{Leased, leased};
use crate::row::interval;
use crate::split_files;

/// A finished file, or the files of an export that is split.
#[derive(Debug, Clone)]
pub struct FinishedFile {
    /// Data rows; of all files.
    pub row_count: u64,
    /// Size in bytes, of all files.
    pub size_bytes: u64,
    /// SHA-256 of the bytes; of the digests of the files, if the export is split.
    pub sha256: [u8; 32],
    /// The files, if the export is split.
    pub files: Option<Box<[SplitFile]>>,
    /// When its snapshot was taken.
    pub snapshot_at: Option<DateTime<Utc>>,
    /// How long it can be downloaded, counted from its completion.
    pub ttl: Duration,
}

impl Database {
    /// Completes the export and returns its `expires_at`. Safe to repeat: a repeated call with the same
    /// lease and object returns the same time.
    pub async fn complete(
        &self,
        lease: Lease,
        object_key: &str,
        file: &FinishedFile,
    ) -> Result<Leased<DateTime<Utc>>, Error> {
        let files = file.files.as_deref().map(split_files::text);
        let row = sqlx::query!(
            r#"
            WITH done AS (
                -- One reading of the clock, so that expires_at is exactly completed_at plus the TTL.
                UPDATE exports e
                SET status = 'completed', lease_expires_at = NULL, lease_owner = NULL,
                    attempt_error = NULL, object_key = $3, row_count = $4, file_size_bytes = $5,
                    sha256 = $6, snapshot_at = $8, files = $9::text::jsonb, completed_at = greatest(e.started_at, now.at),
                    expires_at = greatest(e.started_at, now.at) + $7
                FROM (SELECT clock_timestamp() AS at) now
                WHERE e.id = $1 AND e.lease_token = CASE e.status WHEN 'processing' THEN $2::uuid END
                  AND e.lease_expires_at > clock_timestamp()
                RETURNING e.id, e.lease_token, e.expires_at
            ), kept AS (
                -- The trigger exports_record_files keeps the other files of a split export as well.
                UPDATE export_objects SET state = 'kept', upload_id = NULL
                WHERE key = $3 AND EXISTS (SELECT FROM done)
            )
            SELECT id AS "id!", lease_token AS "token!", expires_at AS "expires_at!" FROM done
            UNION ALL
            -- A repeated call: this lease completed the export already.
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
            file.snapshot_at,
            files,
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        leased(lease, row.map(|row| (row.id, row.token, row.expires_at)))
    }

    /// Fails the export permanently. Consumers see `failure`, operators see `reason`.
    pub async fn fail(
        &self,
        lease: Lease,
        failure: &Failure,
        reason: &str,
    ) -> Result<Leased, Error> {
        let row = sqlx::query!(
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
        leased(lease, row.map(|row| (row.id, row.token, ())))
    }

    /// Queues the export again, due after `pause`. Operators see `reason`.
    pub async fn retry(
        &self,
        lease: Lease,
        pause: Duration,
        reason: &str,
    ) -> Result<Leased, Error> {
        self.requeue(lease, Some(pause), Some(reason)).await
    }

    /// Releases the export at shutdown: it keeps its `due_at`, and the attempt is not counted.
    pub async fn release(&self, lease: Lease) -> Result<Leased, Error> {
        self.requeue(lease, None, None).await
    }

    async fn requeue(
        &self,
        lease: Lease,
        pause: Option<Duration>,
        reason: Option<&str>,
    ) -> Result<Leased, Error> {
        let row = sqlx::query!(
            r#"
            WITH held AS (
                SELECT id, lease_token FROM exports
                WHERE id = $1 AND lease_token = CASE status WHEN 'processing' THEN $2::uuid END
                  AND lease_expires_at > clock_timestamp()
                FOR UPDATE
            ), ended AS (
                UPDATE exports e
                SET status = 'pending', lease_expires_at = NULL, lease_owner = NULL,
                    lease_token = gen_random_uuid(), started_at = NULL, takeovers = 0,
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
        leased(lease, row.map(|row| (row.id, row.token, ())))
    }
}

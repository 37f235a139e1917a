//! The statements of the janitor: expire exports, fail exports without attempts left, find objects to
//! delete.
//!
//! Every statement skips locked rows and repeats its guard in the UPDATE, so any number of janitors can
//! run at the same time. It passes the selected ids as an array: with a join, a planner that expects
//! many rows would read the whole table.

use std::time::Duration;

use exports_domain::{ExportId, Failure};

use crate::database::Database;
use crate::error::Error;
use crate::row::{attempts, interval};

/// An object that must be deleted from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingDeletion {
    /// Its key.
    pub key: String,
    /// Its multipart upload, if there is one.
    pub upload_id: Option<String>,
}

impl Database {
    /// Marks completed exports as expired when `expires_at` is past, and their objects for deletion.
    /// Returns their ids.
    pub async fn expire_due(&self, limit: u16) -> Result<Vec<ExportId>, Error> {
        let ids = sqlx::query_scalar!(
            r#"
            WITH due AS MATERIALIZED (
                SELECT id FROM exports
                -- As a subquery the time is a bound of the index scan, so later rows are not read.
                WHERE status = 'completed' AND expires_at <= (SELECT clock_timestamp())
                ORDER BY expires_at LIMIT $1
                FOR UPDATE SKIP LOCKED
            ), expired AS (
                UPDATE exports e SET status = 'expired', object_key = NULL
                WHERE e.id = ANY (ARRAY (SELECT id FROM due)) AND e.status = 'completed' AND e.expires_at <= clock_timestamp()
                RETURNING e.id
            ), doomed AS (
                -- No worker writes a finished file any more, so one deletion is enough.
                UPDATE export_objects
                SET state = 'doomed', sweep_at = clock_timestamp(), sweeps_left = 1
                WHERE export_id = ANY (ARRAY (SELECT id FROM expired)) AND state = 'kept'
            )
            SELECT id FROM expired
            "#,
            i64::from(limit),
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        Ok(ids.into_iter().map(ExportId).collect())
    }

    /// Fails exports whose lease expired and that have no attempts left. Returns their ids.
    pub async fn fail_exhausted(
        &self,
        max_attempts: u32,
        failure: &Failure,
        limit: u16,
    ) -> Result<Vec<ExportId>, Error> {
        let ids = sqlx::query_scalar!(
            r#"
            WITH lost AS MATERIALIZED (
                SELECT id FROM exports
                -- A range instead of IS NOT NULL, which a planner without statistics estimates badly.
                WHERE processing_since >= '-infinity' AND lease_expires_at <= clock_timestamp() AND attempt >= $1
                ORDER BY processing_since LIMIT $4
                FOR UPDATE SKIP LOCKED
            ), failed AS (
                UPDATE exports e
                SET status = 'failed', error_code = $2, error_message = $3,
                    attempt_error = 'the lease of ' || e.lease_owner || ' expired',
                    lease_expires_at = NULL, lease_owner = NULL
                -- CASE: as in the claim statement.
                WHERE e.id = ANY (ARRAY (SELECT id FROM lost))
                  AND CASE e.status WHEN 'processing' THEN e.lease_expires_at <= clock_timestamp() AND e.attempt >= $1 END
                RETURNING e.id
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE export_id = ANY (ARRAY (SELECT id FROM failed)) AND state = 'writing'
            )
            SELECT id FROM failed
            "#,
            attempts(max_attempts),
            failure.code.as_str(),
            failure.message,
            i64::from(limit),
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        Ok(ids.into_iter().map(ExportId).collect())
    }

    /// Clears idempotency keys that are older than 24 hours. Returns how many.
    pub async fn clear_stale_idempotency_keys(&self, limit: u16) -> Result<u64, Error> {
        let cleared = sqlx::query!(
            r#"
            UPDATE exports SET idempotency_key = NULL
            WHERE id = ANY (ARRAY (
                SELECT id FROM exports
                WHERE idempotency_key IS NOT NULL
                  AND created_at <= (SELECT clock_timestamp() - interval '24 hours')
                ORDER BY created_at LIMIT $1
                FOR UPDATE SKIP LOCKED))
            "#,
            i64::from(limit),
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(cleared.rows_affected())
    }

    /// Takes objects whose deletion is due, and hides them from other janitors for a minute.
    pub async fn take_pending_deletions(&self, limit: u16) -> Result<Vec<PendingDeletion>, Error> {
        Ok(sqlx::query_as!(
            PendingDeletion,
            r#"
            WITH due AS MATERIALIZED (
                SELECT key FROM export_objects
                WHERE sweep_at <= (SELECT clock_timestamp())
                ORDER BY sweep_at LIMIT $1
                FOR UPDATE SKIP LOCKED
            )
            UPDATE export_objects o SET sweep_at = clock_timestamp() + interval '1 minute'
            WHERE o.key = ANY (ARRAY (SELECT key FROM due)) AND o.state = 'doomed' AND o.sweep_at <= clock_timestamp()
            RETURNING o.key, o.upload_id
            "#,
            i64::from(limit),
        )
        .fetch_all(&mut self.connection().await?)
        .await?)
    }

    /// Records that an object was deleted from the store. If another deletion is planned, it is due
    /// after `pause`; otherwise the record is removed.
    pub async fn object_deleted(&self, key: &str, pause: Duration) -> Result<(), Error> {
        sqlx::query!(
            r#"
            WITH forgotten AS (
                DELETE FROM export_objects WHERE key = $1 AND state = 'doomed' AND sweeps_left = 1
            )
            UPDATE export_objects SET sweeps_left = sweeps_left - 1, sweep_at = clock_timestamp() + $2
            WHERE key = $1 AND state = 'doomed' AND sweeps_left > 1
            "#,
            key,
            interval(pause),
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(())
    }
}

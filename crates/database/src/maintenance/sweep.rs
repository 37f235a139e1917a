//! What janitors do: end what nobody ends, and find what has to leave the object store.
//!
//! Every sweep repeats its guards inside its update and skips rows that another janitor holds, so
//! that any number of workers can sweep at the same time. The rows that it has picked are passed
//! on as an array: joined, a planner that expects many of them reads the whole table.

use std::time::Duration;

use exports_domain::{ExportId, Failure};

use crate::database::Database;
use crate::error::Error;
use crate::row::{attempts, interval};

/// An object that has to go. Taking it up hides it from other janitors for a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingDeletion {
    /// Its key.
    pub key: String,
    /// Its multipart upload, if one was begun.
    pub upload_id: Option<String>,
}

impl Database {
    /// Marks exports whose file's time is over, and dooms their files. Gives their ids.
    pub async fn expire_due(&self, limit: u16) -> Result<Vec<ExportId>, Error> {
        let ids = sqlx::query_scalar!(
            r#"
            WITH due AS MATERIALIZED (
                SELECT id FROM exports
                -- Asked for once, the time is a bound of the index: what lives on is not read.
                WHERE status = 'completed' AND expires_at <= (SELECT clock_timestamp())
                ORDER BY expires_at LIMIT $1
                FOR UPDATE SKIP LOCKED
            ), expired AS (
                UPDATE exports e SET status = 'expired', object_key = NULL
                WHERE e.id = ANY (ARRAY (SELECT id FROM due)) AND e.status = 'completed' AND e.expires_at <= clock_timestamp()
                RETURNING e.id
            ), doomed AS (
                -- Nobody writes a file that was finished: one sweep is enough.
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

    /// Fails exports whose last attempt ended without a word. Gives their ids.
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
                -- All of them, as a range: how many are not null, a planner without statistics guesses badly.
                WHERE processing_since >= '-infinity' AND lease_expires_at <= clock_timestamp() AND attempt >= $1
                ORDER BY processing_since LIMIT $4
                FOR UPDATE SKIP LOCKED
            ), failed AS (
                UPDATE exports e
                SET status = 'failed', error_code = $2, error_message = $3,
                    attempt_error = 'the lease of ' || e.lease_owner || ' ended',
                    lease_expires_at = NULL, lease_owner = NULL
                -- CASE: see the claim.
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

    /// Clears idempotency keys that are a day old.
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

    /// Takes up objects that have to go now.
    pub async fn take_doomed_objects(&self, limit: u16) -> Result<Vec<PendingDeletion>, Error> {
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

    /// Says that an object was deleted: it is swept again after `pause`, or was swept for the last
    /// time and is forgotten.
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

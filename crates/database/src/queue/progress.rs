//! The reports of running attempts.

use exports_domain::Lease;

use crate::database::Database;
use crate::error::Error;
use crate::queue::lease::{Leased, Progress, leased};

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgressReport {
    /// Rows and bytes.
    pub progress: Progress,
    /// 0 to 99; `None`: unknown.
    pub percent: Option<u8>,
    /// `None`: unknown.
    pub seconds_remaining: Option<u32>,
}

impl Database {
    /// Records the progress of an attempt. The percentage of an attempt never decreases.
    pub async fn report_progress(
        &self,
        lease: Lease,
        report: ProgressReport,
    ) -> Result<Leased, Error> {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let row = sqlx::query!(
            r#"
            INSERT INTO export_progress AS p (export_id, lease_token, rows_written, bytes_written, percent,
                                              seconds_remaining, updated_at)
            SELECT id, lease_token, $3, $4, $5, $6, clock_timestamp() FROM exports
            WHERE id = $1 AND lease_token = CASE status WHEN 'processing' THEN $2::uuid END
              AND lease_expires_at > clock_timestamp()
            ON CONFLICT (export_id) DO UPDATE
            SET lease_token = excluded.lease_token, rows_written = excluded.rows_written,
                bytes_written = excluded.bytes_written, seconds_remaining = excluded.seconds_remaining,
                updated_at = excluded.updated_at,
                -- greatest() ignores null.
                percent = CASE WHEN p.lease_token = excluded.lease_token THEN greatest(p.percent, excluded.percent)
                          ELSE excluded.percent END
            RETURNING export_id, lease_token
            "#,
            lease.export.0,
            lease.token.0,
            count(report.progress.rows),
            count(report.progress.bytes),
            report.percent.map(i16::from),
            report
                .seconds_remaining
                .map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX)),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        leased(lease, row.map(|row| (row.export_id, row.lease_token, ())))
    }

    /// Removes the report of an attempt that has ended.
    pub async fn remove_progress(&self, lease: Lease) -> Result<(), Error> {
        sqlx::query!(
            "DELETE FROM export_progress WHERE export_id = $1 AND lease_token = $2",
            lease.export.0,
            lease.token.0,
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(())
    }

    /// Removes reports of attempts that have ended and did not remove theirs. Returns how many.
    pub async fn remove_stale_progress(&self, limit: u16) -> Result<u64, Error> {
        let removed = sqlx::query!(
            r#"
            DELETE FROM export_progress
            WHERE export_id = ANY (ARRAY (
                SELECT p.export_id FROM export_progress p
                WHERE p.updated_at < clock_timestamp() - interval '1 minute'
                  AND NOT EXISTS (SELECT FROM exports e WHERE e.id = p.export_id
                                  AND p.lease_token = CASE e.status WHEN 'processing' THEN e.lease_token END)
                LIMIT $1
                FOR UPDATE SKIP LOCKED))
            "#,
            i64::from(limit),
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(removed.rows_affected())
    }
}

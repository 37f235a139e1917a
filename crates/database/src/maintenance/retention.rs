//! Deletes old records of failed and expired exports.
//!
//! The age of an expired export counts from `expires_at`. The time of a failure is not stored: its age
//! counts from the start of the latest attempt, or from its creation. A record is kept while an object
//! of the export may still be in the store.

use std::time::Duration;

use crate::database::Database;
use crate::error::Error;
use crate::row::interval;

impl Database {
    /// Deletes up to `limit` records that are at least `age` old. Returns how many.
    pub async fn prune_records(&self, age: Duration, limit: u16) -> Result<u64, Error> {
        let pruned = sqlx::query!(
            r#"
            WITH old AS MATERIALIZED (
                SELECT id FROM exports
                WHERE status IN ('failed', 'expired')
                  AND coalesce(expires_at, started_at, created_at) <= (SELECT clock_timestamp() - $1::interval)
                  -- A subquery per row uses the index. A join would read all objects.
                  AND (SELECT o.key FROM export_objects o WHERE o.export_id = exports.id LIMIT 1) IS NULL
                ORDER BY coalesce(expires_at, started_at, created_at) LIMIT $2
                FOR UPDATE SKIP LOCKED
            )
            DELETE FROM exports WHERE id = ANY (ARRAY (SELECT id FROM old)) AND status IN ('failed', 'expired')
            "#,
            interval(age),
            i64::from(limit),
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(pruned.rows_affected())
    }

    /// How many records [`prune_records`](Self::prune_records) would delete without a limit.
    pub async fn count_prunable(&self, age: Duration) -> Result<u64, Error> {
        let count = sqlx::query_scalar!(
            r#"
            SELECT count(*) AS "count!" FROM exports
            WHERE status IN ('failed', 'expired')
              AND coalesce(expires_at, started_at, created_at) <= (SELECT clock_timestamp() - $1::interval)
              AND NOT EXISTS (SELECT FROM export_objects o WHERE o.export_id = exports.id)
            "#,
            interval(age),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(count.unsigned_abs())
    }
}

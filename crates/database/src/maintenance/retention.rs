//! Records of exports that have no file any more, or never had one, go when they are old.
//!
//! An expired export's age counts from when its file expired. When an export failed is not
//! recorded: its latest attempt's start stands for it, or its making if it was never tried. A
//! record stays while any object of its export may still be in the store.

use std::time::Duration;

use crate::database::Database;
use crate::error::Error;
use crate::row::interval;

impl Database {
    /// Deletes up to `limit` records that ended at least `age` ago. Gives how many.
    pub async fn prune_records(&self, age: Duration, limit: u16) -> Result<u64, Error> {
        let pruned = sqlx::query!(
            r#"
            WITH old AS MATERIALIZED (
                SELECT id FROM exports
                WHERE status IN ('failed', 'expired')
                  AND coalesce(expires_at, started_at, created_at) <= (SELECT clock_timestamp() - $1::interval)
                  -- Asked of each row, by its index: joined, all objects would be read.
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

    /// How many records [`prune_records`](Self::prune_records) would delete, were there no limit.
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

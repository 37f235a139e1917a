//! Deletes old deliveries.

use std::time::Duration;

use crate::database::Database;
use crate::error::Error;
use crate::row::interval;

impl Database {
    /// Deletes up to `limit` deliveries that are not pending and at least `age` old. Returns how many.
    pub async fn prune_deliveries(&self, age: Duration, limit: u16) -> Result<u64, Error> {
        let pruned = sqlx::query!(
            r#"
            DELETE FROM webhook_deliveries
            WHERE id = ANY (ARRAY (
                SELECT id FROM webhook_deliveries
                WHERE status <> 'pending' AND created_at <= (SELECT clock_timestamp() - $1::interval)
                ORDER BY created_at LIMIT $2
                FOR UPDATE SKIP LOCKED)) AND status <> 'pending'
            "#,
            interval(age),
            i64::from(limit),
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(pruned.rows_affected())
    }
}

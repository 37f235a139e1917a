//! What the metrics show of the webhooks of all projects.

use std::time::Duration;

use crate::database::Database;
use crate::error::Error;

/// The webhooks of all projects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WebhookHealth {
    /// How long the oldest delivery has been due, of webhooks that do not fail: how late workers are.
    pub late: Duration,
    /// The longest time for which every attempt to an enabled webhook failed.
    pub failing: Duration,
}

impl Database {
    /// The state of all webhooks.
    pub async fn webhook_health(&self) -> Result<WebhookHealth, Error> {
        let row = sqlx::query!(
            r#"
            WITH RECURSIVE waiting AS (
                -- A loose index scan, as in the claim.
                (SELECT d.webhook_id, d.next_attempt_at FROM webhook_deliveries d WHERE d.status = 'pending'
                 ORDER BY d.webhook_id, d.next_attempt_at LIMIT 1)
                UNION ALL
                SELECT later.* FROM waiting CROSS JOIN LATERAL (
                    SELECT d.webhook_id, d.next_attempt_at FROM webhook_deliveries d
                    WHERE d.status = 'pending' AND d.webhook_id > waiting.webhook_id
                    ORDER BY d.webhook_id, d.next_attempt_at LIMIT 1) later
            )
            SELECT (SELECT extract(epoch FROM clock_timestamp() - min(waiting.next_attempt_at))::float8
                    FROM waiting JOIN webhooks w ON w.id = waiting.webhook_id WHERE w.failing_since IS NULL) AS late,
                   (SELECT extract(epoch FROM clock_timestamp() - min(failing_since))::float8 FROM webhooks
                    WHERE failing_since IS NOT NULL AND status = 'enabled') AS failing
            "#,
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(WebhookHealth {
            late: seconds(row.late),
            failing: seconds(row.failing),
        })
    }
}

fn seconds(seconds: Option<f64>) -> Duration {
    Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}

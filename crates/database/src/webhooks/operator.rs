//! What operators see of webhooks, and what they do with them.

use chrono::{DateTime, Utc};
use exports_domain::{DeliveryId, ProjectId, WebhookId};

use crate::database::Database;
use crate::error::Error;
use crate::webhooks::row::{Webhook, WebhookRow};

/// A webhook as operators see it.
#[derive(Debug, Clone)]
pub struct ListedWebhook {
    /// Its project.
    pub project: String,
    /// The webhook.
    pub webhook: Webhook,
    /// The first failed attempt since the latest successful one.
    pub failing_since: Option<DateTime<Utc>>,
    /// Deliveries that are not delivered yet.
    pub pending: u64,
    /// Failed deliveries that are still in the database.
    pub failed: u64,
}

impl Database {
    /// Webhooks, of one project or of all.
    pub async fn operator_webhooks(
        &self,
        project: Option<&ProjectId>,
    ) -> Result<Vec<ListedWebhook>, Error> {
        let rows = sqlx::query!(
            r#"
            SELECT w.id, w.project_id, w.url, w.events, w.status, w.disabled_reason, w.created_at, w.failing_since,
                   (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.status = 'pending') AS "pending!",
                   (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.status = 'failed') AS "failed!"
            FROM webhooks w WHERE $1::text IS NULL OR w.project_id = $1
            ORDER BY w.project_id, w.created_at, w.id
            "#,
            project.map(ProjectId::as_str),
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        let listed = rows.into_iter().map(|row| {
            Ok(ListedWebhook {
                project: row.project_id,
                webhook: WebhookRow {
                    id: row.id,
                    url: row.url,
                    events: row.events,
                    status: row.status,
                    disabled_reason: row.disabled_reason,
                    created_at: row.created_at,
                }
                .try_into()?,
                failing_since: row.failing_since,
                pending: row.pending.unsigned_abs(),
                failed: row.failed.unsigned_abs(),
            })
        });
        listed.collect()
    }

    /// Disables a webhook; its pending deliveries fail. `None`: the project has no such webhook.
    pub async fn disable_webhook(
        &self,
        project: &ProjectId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, Error> {
        let row = sqlx::query_as!(
            WebhookRow,
            r#"
            WITH disabled AS (
                UPDATE webhooks SET status = 'disabled', disabled_reason = 'operator'
                WHERE id = $1 AND project_id = $2
                RETURNING id, url, events, status, disabled_reason, created_at
            ), dropped AS (
                UPDATE webhook_deliveries
                SET status = 'failed', next_attempt_at = NULL, error = 'the webhook is disabled'
                WHERE webhook_id = (SELECT id FROM disabled) AND status = 'pending' AND lease_token IS NULL
            )
            SELECT id, url, events, status, disabled_reason, created_at FROM disabled
            "#,
            id.0,
            project.as_str(),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        row.map(Webhook::try_from).transpose()
    }

    /// Sends deliveries of a webhook again, from the first attempt: one, or all that failed. Their ids stay
    /// the same. Returns how many.
    pub async fn redeliver(
        &self,
        project: &ProjectId,
        webhook: WebhookId,
        delivery: Option<DeliveryId>,
    ) -> Result<u64, Error> {
        let row = sqlx::query!(
            r#"
            WITH again AS (
                UPDATE webhook_deliveries
                SET status = 'pending', next_attempt_at = clock_timestamp(), attempt = 0, lease_token = NULL
                WHERE webhook_id = (SELECT id FROM webhooks WHERE id = $1 AND project_id = $2)
                  AND CASE WHEN $3::uuid IS NULL THEN status = 'failed' ELSE id = $3 END
                RETURNING id
            )
            SELECT count(*) AS "count!", pg_notify('exports_webhooks', '')::text AS notified FROM again
            "#,
            webhook.0,
            project.as_str(),
            delivery.map(|delivery| delivery.0),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(row.count.unsigned_abs())
    }
}

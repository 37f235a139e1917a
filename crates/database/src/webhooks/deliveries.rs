//! The latest deliveries of a webhook, and tests.

use chrono::{DateTime, Utc};
use exports_domain::{DeliveryId, DeliveryStatus, ExportId, ProjectId, WebhookEvent, WebhookId};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::webhooks::row::known;

/// One event for one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id: the header `webhook-id`.
    pub id: DeliveryId,
    /// What it reports.
    pub event: WebhookEvent,
    /// The export; `None` for a test.
    pub export: Option<ExportId>,
    /// The number of attempts so far.
    pub attempt: u32,
    /// Its state.
    pub status: DeliveryStatus,
    /// The status of the latest response.
    pub response_status: Option<u16>,
    /// Why the latest attempt failed, for operators.
    pub error: Option<String>,
    /// When it is sent next. `None` also while it is sent.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When the event happened.
    pub created_at: DateTime<Utc>,
}

struct DeliveryRow {
    id: Uuid,
    event: String,
    export_id: Option<Uuid>,
    attempt: i32,
    status: String,
    response_status: Option<i16>,
    error: Option<String>,
    next_attempt_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = Error;

    fn try_from(row: DeliveryRow) -> Result<Self, Error> {
        Ok(Self {
            id: DeliveryId(row.id),
            event: known(row.id, "event", &row.event)?,
            export: row.export_id.map(ExportId),
            attempt: row.attempt.unsigned_abs(),
            status: known(row.id, "status", &row.status)?,
            response_status: row.response_status.map(i16::unsigned_abs),
            error: row.error,
            next_attempt_at: row.next_attempt_at,
            created_at: row.created_at,
        })
    }
}

impl Database {
    /// The latest deliveries of a webhook, newest first. `None`: the project has no such webhook.
    pub async fn webhook_deliveries(
        &self,
        project: &ProjectId,
        id: WebhookId,
        limit: u16,
    ) -> Result<Option<Vec<Delivery>>, Error> {
        if self.get_webhook(project, id).await?.is_none() {
            return Ok(None);
        }
        self.repeatable(&(id, limit), |connection, (id, limit)| {
            Box::pin(async move {
                let rows = sqlx::query_as!(
                    DeliveryRow,
                    r#"
                    SELECT id, event, export_id, attempt, status, response_status, error, created_at,
                           -- With a token it is the end of a worker's lease.
                           CASE WHEN lease_token IS NULL THEN next_attempt_at END AS next_attempt_at
                    FROM webhook_deliveries WHERE webhook_id = $1
                    ORDER BY created_at DESC, id DESC LIMIT $2
                    "#,
                    id.0,
                    i64::from(*limit),
                )
                .fetch_all(connection)
                .await?;
                rows.into_iter().map(Delivery::try_from).collect()
            })
        })
        .await
        .map(Some)
    }

    /// Writes a test event and returns it, or the one that is waiting already. `None`: the project has no
    /// such webhook.
    pub async fn test_webhook(
        &self,
        project: &ProjectId,
        id: WebhookId,
    ) -> Result<Option<Delivery>, Error> {
        let row = sqlx::query_as!(
            DeliveryRow,
            r#"
            WITH target AS (
                SELECT id FROM webhooks WHERE id = $1 AND project_id = $2
            ), waiting AS (
                SELECT d.* FROM target
                CROSS JOIN LATERAL (
                    SELECT id, event, export_id, attempt, status, response_status, error, created_at, next_attempt_at
                    FROM webhook_deliveries
                    WHERE webhook_id = target.id AND status = 'pending' AND event = $3 LIMIT 1) d
            ), written AS (
                INSERT INTO webhook_deliveries (webhook_id, event)
                SELECT id, $3 FROM target WHERE NOT EXISTS (SELECT FROM waiting)
                RETURNING id, event, export_id, attempt, status, response_status, error, created_at, next_attempt_at
            )
            SELECT id AS "id!", event AS "event!", export_id, attempt AS "attempt!", status AS "status!",
                   response_status, error, created_at AS "created_at!", next_attempt_at
            FROM written WHERE pg_notify('exports_webhooks', '')::text IS NOT NULL
            UNION ALL
            SELECT * FROM waiting
            "#,
            id.0,
            project.as_str(),
            WebhookEvent::Test.as_str(),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        row.map(Delivery::try_from).transpose()
    }
}

//! What consumers do with their webhooks: create, get, list, delete, rotate, test, enable.

use exports_domain::{ProjectId, WebhookEvent, WebhookId};
use exports_postgres::is_foreign_key_violation;

use crate::database::Database;
use crate::error::Error;
use crate::webhooks::row::{Webhook, WebhookRow};
use crate::webhooks::secret::WebhookSecret;

/// A webhook to create.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Its project.
    pub project: ProjectId,
    /// Where deliveries are sent. The caller has checked it.
    pub url: String,
    /// The events that it receives.
    pub events: Vec<WebhookEvent>,
    /// Signs its deliveries.
    pub secret: WebhookSecret,
}

/// The result of a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreatedWebhook {
    /// The webhook exists.
    New(Webhook),
    /// The project has the maximum number of webhooks.
    TooMany,
}

/// Each collision of two creates means that one of them succeeded, so there are fewer than this unless
/// webhooks are deleted at the same time.
const MAX_COLLISIONS: usize = 50;

impl Database {
    /// Creates a webhook in the first free slot of the project.
    pub async fn create_webhook(&self, new: &NewWebhook) -> Result<CreatedWebhook, Error> {
        for _ in 0..MAX_COLLISIONS {
            let events: Vec<_> = new.events.iter().map(|it| it.as_str().to_owned()).collect();
            let row = sqlx::query!(
                r#"
                WITH free AS (
                    SELECT slot::smallint FROM generate_series(1, 10) slot
                    WHERE NOT EXISTS (SELECT FROM webhooks w WHERE w.project_id = $2 AND w.slot = slot.slot)
                    ORDER BY slot LIMIT 1
                ), created AS (
                    INSERT INTO webhooks (id, project_id, slot, url, events, secret)
                    SELECT $1, $2, free.slot, $3, $4, $5 FROM free
                    ON CONFLICT (project_id, slot) DO NOTHING
                    RETURNING id, url, events, status, disabled_reason, created_at
                )
                SELECT EXISTS (SELECT FROM free) AS "has_free!",
                       created.id AS "id?", created.url AS "url?", created.events AS "events?",
                       created.status AS "status?", created.disabled_reason AS "disabled_reason?",
                       created.created_at AS "created_at?"
                FROM (SELECT) one LEFT JOIN created ON true
                "#,
                new.id.0,
                new.project.as_str(),
                new.url,
                &events,
                new.secret.as_bytes(),
            )
            .fetch_one(&mut self.connection().await?)
            .await
            .map_err(|error| {
                if is_foreign_key_violation(&error) {
                    Error::ProjectDeleted
                } else {
                    error.into()
                }
            })?;
            let (Some(id), Some(url), Some(events), Some(status), Some(created_at)) =
                (row.id, row.url, row.events, row.status, row.created_at)
            else {
                if row.has_free {
                    continue;
                }
                return Ok(CreatedWebhook::TooMany);
            };
            let created = WebhookRow {
                id,
                url,
                events,
                status,
                disabled_reason: row.disabled_reason,
                created_at,
            };
            return Ok(CreatedWebhook::New(created.try_into()?));
        }
        Err(Error::SlotContended)
    }

    /// The webhooks of a project, in the order of their creation.
    pub async fn list_webhooks(&self, project: &ProjectId) -> Result<Vec<Webhook>, Error> {
        self.repeatable(project, |connection, project| {
            Box::pin(async move {
                let rows = sqlx::query_as!(
                    WebhookRow,
                    "SELECT id, url, events, status, disabled_reason, created_at
                     FROM webhooks WHERE project_id = $1 ORDER BY created_at, id",
                    project.as_str(),
                )
                .fetch_all(connection)
                .await?;
                rows.into_iter().map(Webhook::try_from).collect()
            })
        })
        .await
    }

    /// One webhook of a project.
    pub async fn get_webhook(
        &self,
        project: &ProjectId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, Error> {
        self.repeatable(&(project, id), |connection, (project, id)| {
            Box::pin(async move {
                let row = sqlx::query_as!(
                    WebhookRow,
                    "SELECT id, url, events, status, disabled_reason, created_at
                     FROM webhooks WHERE id = $1 AND project_id = $2",
                    id.0,
                    project.as_str(),
                )
                .fetch_optional(connection)
                .await?;
                row.map(Webhook::try_from).transpose()
            })
        })
        .await
    }

    /// Deletes a webhook and its deliveries. `false`: the project has no such webhook.
    pub async fn delete_webhook(&self, project: &ProjectId, id: WebhookId) -> Result<bool, Error> {
        let deleted = sqlx::query!(
            "DELETE FROM webhooks WHERE id = $1 AND project_id = $2",
            id.0,
            project.as_str(),
        )
        .execute(&mut self.connection().await?)
        .await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// Sets a new secret. The one before signs too, for 24 hours. `None`: the project has no such webhook.
    pub async fn rotate_webhook(
        &self,
        project: &ProjectId,
        id: WebhookId,
        secret: &WebhookSecret,
    ) -> Result<Option<Webhook>, Error> {
        let row = sqlx::query_as!(
            WebhookRow,
            // A trigger keeps the secret from before.
            "UPDATE webhooks SET secret = $3 WHERE id = $1 AND project_id = $2
             RETURNING id, url, events, status, disabled_reason, created_at",
            id.0,
            project.as_str(),
            secret.as_bytes(),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        row.map(Webhook::try_from).transpose()
    }

    /// Enables a webhook. Deliveries that failed while it was disabled are not sent again. `None`: the
    /// project has no such webhook.
    pub async fn enable_webhook(
        &self,
        project: &ProjectId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, Error> {
        let row = sqlx::query_as!(
            WebhookRow,
            "UPDATE webhooks SET status = 'enabled', disabled_reason = NULL, failing_since = NULL
             WHERE id = $1 AND project_id = $2
             RETURNING id, url, events, status, disabled_reason, created_at",
            id.0,
            project.as_str(),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        row.map(Webhook::try_from).transpose()
    }
}

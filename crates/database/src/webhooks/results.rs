//! The results of attempts. Each carries the lease token, and changes nothing if the lease is lost.

use std::time::Duration;

use exports_domain::{DeliveryId, LeaseToken};

use crate::database::Database;
use crate::error::Error;
use crate::queue::Leased;
use crate::row::interval;

/// An attempt without success.
#[derive(Debug, Clone)]
pub struct FailedDelivery<'a> {
    /// The status of the response, if there was one.
    pub response_status: Option<u16>,
    /// Why it failed, for operators.
    pub error: &'a str,
    /// The pause before the next attempt; `None`: there is none.
    pub pause: Option<Duration>,
    /// The receiver is gone: disable the webhook.
    pub is_gone: bool,
    /// Whether it counts as a failure of the webhook.
    pub counts: bool,
}

impl Database {
    /// The receiver has accepted the delivery.
    pub async fn delivered(
        &self,
        id: DeliveryId,
        token: LeaseToken,
        response_status: u16,
    ) -> Result<Leased, Error> {
        let row = sqlx::query_scalar!(
            r#"
            WITH done AS (
                UPDATE webhook_deliveries
                SET status = 'delivered', response_status = $3, error = NULL, next_attempt_at = NULL, lease_token = NULL
                WHERE id = $1 AND lease_token = $2
                RETURNING webhook_id
            ), healthy AS (
                UPDATE webhooks SET failing_since = NULL
                WHERE id = (SELECT webhook_id FROM done) AND failing_since IS NOT NULL
            )
            SELECT true AS "done!" FROM done
            "#,
            id.0,
            token.0,
            status(Some(response_status)),
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        Ok(held(row.is_some()))
    }

    /// An attempt failed. Returns whether that has disabled the webhook: because its receiver is gone, or
    /// because every attempt failed for `max_failing`. The other deliveries of a disabled webhook fail too.
    pub async fn delivery_failed(
        &self,
        id: DeliveryId,
        token: LeaseToken,
        failed: &FailedDelivery<'_>,
        max_failing: Duration,
    ) -> Result<Leased<bool>, Error> {
        let row = sqlx::query!(
            r#"
            WITH done AS (
                UPDATE webhook_deliveries
                SET status = CASE WHEN $4::interval IS NULL THEN 'failed' ELSE 'pending' END,
                    next_attempt_at = clock_timestamp() + $4, lease_token = NULL,
                    response_status = $3, error = $5
                WHERE id = $1 AND lease_token = $2
                RETURNING webhook_id
            ), failing AS (
                UPDATE webhooks
                SET failing_since = coalesce(failing_since, clock_timestamp()),
                    status = CASE WHEN $6::bool OR failing_since <= clock_timestamp() - $7::interval THEN 'disabled' ELSE 'enabled' END,
                    disabled_reason = CASE WHEN $6 THEN 'gone' WHEN failing_since <= clock_timestamp() - $7::interval THEN 'failing' END
                WHERE id = (SELECT webhook_id FROM done) AND status = 'enabled' AND $8
                  -- Most failures change nothing.
                  AND ($6 OR failing_since IS NULL OR failing_since <= clock_timestamp() - $7::interval)
                RETURNING id, status
            ), dropped AS (
                UPDATE webhook_deliveries
                SET status = 'failed', next_attempt_at = NULL, error = 'the webhook is disabled'
                WHERE webhook_id = (SELECT id FROM failing WHERE status = 'disabled')
                  AND status = 'pending' AND lease_token IS NULL AND event <> 'export.test'
            )
            SELECT EXISTS (SELECT FROM failing WHERE status = 'disabled') AS "disabled!" FROM done
            "#,
            id.0,
            token.0,
            status(failed.response_status),
            failed.pause.map(interval),
            failed.error,
            failed.is_gone,
            interval(max_failing),
            failed.counts || failed.is_gone,
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        Ok(row.map_or(Leased::Lost, |row| Leased::Held(row.disabled)))
    }

    /// Releases a delivery at shutdown: it is due now, and the attempt is not counted.
    pub async fn release_delivery(
        &self,
        id: DeliveryId,
        token: LeaseToken,
    ) -> Result<Leased, Error> {
        let row = sqlx::query_scalar!(
            r#"
            UPDATE webhook_deliveries
            SET attempt = attempt - 1, next_attempt_at = clock_timestamp(), lease_token = NULL
            WHERE id = $1 AND lease_token = $2
            RETURNING pg_notify('exports_webhooks', '')::text AS notified
            "#,
            id.0,
            token.0,
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        Ok(held(row.is_some()))
    }
}

fn held(is_held: bool) -> Leased {
    if is_held {
        Leased::Held(())
    } else {
        Leased::Lost
    }
}

/// HTTP allows three digits.
fn status(status: Option<u16>) -> Option<i16> {
    status.and_then(|status| i16::try_from(status).ok())
}
